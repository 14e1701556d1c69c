"""Index the list of runs by initiator and run type together.

A filter with both read all runs of the initiator until it had found a page of the type. The system
starts most runs, so a rare type of its runs took ten times as long as the first page.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INDEX = "ix_operation_run_list_initiator_id_run_type"


def upgrade() -> None:
    """Add the index."""
    columns = ["tenant_id", "initiator_id", "run_type", "status_bucket", "created_at", "id"]
    op.create_index(_INDEX, "operation_run", columns, schema="opsrun")
