"""Keep one outbox entry per run, and index entries and running runs by tenant."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the outbox and the grants on it."""
    op.execute(
        "DELETE FROM opsrun.outbox older USING opsrun.outbox newer WHERE older.id < newer.id"
        " AND older.tenant_id = newer.tenant_id AND older.run_id = newer.run_id"
    )
    op.drop_index("ix_outbox_tenant_id_run_id", "outbox", schema="opsrun")
    op.drop_index("ix_outbox_not_before", "outbox", schema="opsrun")
    op.create_unique_constraint(
        "uq_outbox_tenant_id_run_id", "outbox", ["tenant_id", "run_id"], schema="opsrun"
    )
    op.create_index(
        "ix_outbox_tenant_id_not_before_id",
        "outbox",
        ["tenant_id", "not_before", "id"],
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_dispatched",
        "operation_run",
        ["tenant_id"],
        schema="opsrun",
        postgresql_where=sa.text(
            "status IN ('pending', 'running') AND last_dispatched_at IS NOT NULL"
        ),
    )
    op.execute("GRANT UPDATE (not_before) ON opsrun.outbox TO opsrun_worker")
