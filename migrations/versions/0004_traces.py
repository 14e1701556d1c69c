"""Store a run's trace, so that dispatch and workers continue it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column without rewriting the table."""
    op.add_column("operation_run", sa.Column("traceparent", sa.Text), schema="opsrun")
