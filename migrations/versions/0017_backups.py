"""Let the maintenance login read all that a backup needs: the owner sees no tenant's rows."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant what `pg_dump` reads besides the tables."""
    op.execute("GRANT SELECT ON opsrun.alembic_version TO opsrun_maintenance")
    op.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA opsrun TO opsrun_maintenance")
