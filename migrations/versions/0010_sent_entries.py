"""Mark outbox entries that the process sends which starts a run or makes room."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the marks and their indexes, and let API and workers use them."""
    for column in (
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("is_claimed", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("outbox", column, schema="opsrun")
    for name, column, condition in (
        ("ix_outbox_sent", "tenant_id", "sent_at IS NOT NULL AND NOT is_claimed"),
        ("ix_outbox_claimed", "id", "is_claimed"),
    ):
        op.create_index(
            name, "outbox", [column], schema="opsrun", postgresql_where=sa.text(condition)
        )
    op.execute("GRANT UPDATE (sent_at) ON opsrun.outbox TO opsrun_api")
    op.execute("GRANT UPDATE (sent_at, is_claimed) ON opsrun.outbox TO opsrun_worker")
