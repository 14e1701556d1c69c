"""Store a tenant's groups and members (P7)."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_IN_TENANT = "tenant_id = opsrun.current_tenant_id()"
_NOW = sa.text("clock_timestamp()")
_FALSE = sa.text("false")


def _of_tenant() -> sa.ForeignKey:
    return sa.ForeignKey("opsrun.tenant.id", ondelete="CASCADE")


def upgrade() -> None:
    """Create the tables with their row level security policies and grants."""
    op.create_table(
        "group_sync",
        sa.Column("tenant_id", sa.Uuid(), _of_tenant(), primary_key=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("path", sa.Text()),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("has_gaps", sa.Boolean(), nullable=False),
        sa.Column("begun_by", sa.Uuid(), nullable=False),
        sa.Column("ended_by", sa.Uuid()),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        schema="opsrun",
    )
    op.create_table(
        "directory_group",
        sa.Column("tenant_id", sa.Uuid(), _of_tenant(), primary_key=True),
        sa.Column("group_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False, server_default=_FALSE),
        sa.Column("synced_by", sa.Uuid(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        schema="opsrun",
    )
    op.create_index(
        "ix_directory_group_list",
        "directory_group",
        ["tenant_id", "name", "group_id"],
        schema="opsrun",
        postgresql_where=sa.text("NOT is_removed"),
    )
    op.create_table(
        "group_member",
        sa.Column("tenant_id", sa.Uuid(), primary_key=True),
        sa.Column("group_id", sa.Text(), primary_key=True),
        sa.Column("member_id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False, server_default=_FALSE),
        sa.ForeignKeyConstraint(
            ["tenant_id", "group_id"],
            ["opsrun.directory_group.tenant_id", "opsrun.directory_group.group_id"],
            ondelete="CASCADE",
        ),
        schema="opsrun",
    )
    for table in ("directory_group", "group_member"):
        op.create_index(
            f"ix_{table}_removed",
            table,
            ["tenant_id"],
            schema="opsrun",
            postgresql_where=sa.text("is_removed"),
        )
    for table in ("group_sync", "directory_group", "group_member"):
        op.execute(f"ALTER TABLE opsrun.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE opsrun.{table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON opsrun.{table} USING ({_IN_TENANT}) WITH CHECK ({_IN_TENANT})"
        )
        op.execute(
            f"CREATE POLICY maintenance ON opsrun.{table} TO opsrun_maintenance"
            " USING (true) WITH CHECK (true)"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON opsrun.{table} TO opsrun_worker")
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON opsrun.{table} TO opsrun_maintenance")
    op.execute("GRANT SELECT ON opsrun.directory_group, opsrun.group_member TO opsrun_api")
    op.execute("GRANT SELECT (tenant_id, ended_by, ended_at) ON opsrun.group_sync TO opsrun_api")
