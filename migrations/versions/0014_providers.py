"""Let a tenant's policies come from Microsoft Graph, and say why a running run waits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; neither rewrites its table."""
    op.add_column("tenant", sa.Column("graph", JSONB(), nullable=True), schema="opsrun")
    op.create_check_constraint(
        op.f("ck_tenant_one_provider"),
        "tenant",
        "export_folder IS NULL OR graph IS NULL",
        schema="opsrun",
    )
    reason = sa.Column("waiting_reason", sa.Text(), nullable=True)
    op.add_column("operation_run", reason, schema="opsrun")
