"""Keep the format of each policy's document, which was the same one before."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; its default does not rewrite the table."""
    column = sa.Column("format", sa.Text(), nullable=False, server_default="GRAPH_OBJECT")
    op.add_column("inventory_policy", column, schema="opsrun")
