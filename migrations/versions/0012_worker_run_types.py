"""Record which run types the workers know, and index the entries that wait for a worker."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, which workers write and the other logins read."""
    op.create_table(
        "worker_run_type",
        sa.Column("run_type", sa.Text, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_type", name="pk_worker_run_type"),
        schema="opsrun",
    )
    op.create_index(
        "ix_outbox_parked",
        "outbox",
        ["run_type"],
        schema="opsrun",
        postgresql_where=sa.text("not_before = 'infinity'"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON opsrun.worker_run_type TO opsrun_worker")
    op.execute("GRANT SELECT ON opsrun.worker_run_type TO opsrun_api, opsrun_maintenance")
