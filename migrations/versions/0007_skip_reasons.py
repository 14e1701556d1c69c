"""Say why an item was skipped, and hide the values of earlier drift findings.

Findings of earlier versions hold values of any setting, secrets included. From now on a finding
never stores a secret; of the earlier ones nothing tells which values are secrets, so all are
removed. What changed and where stays.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the reason, its index, and remove the values."""
    op.add_column("run_item", sa.Column("skip_reason", sa.Text()), schema="opsrun")
    op.create_index(
        "ix_run_item_skipped",
        "run_item",
        ["tenant_id", "run_id", "item_key"],
        schema="opsrun",
        postgresql_where=sa.text("outcome = 'skipped'"),
    )
    op.execute(
        "UPDATE opsrun.drift_finding SET changes = (SELECT coalesce(jsonb_agg(change ||"
        ' \'{"old": null, "new": null, "is_secret": true}\' ORDER BY place), \'[]\')'
        " FROM jsonb_array_elements(changes) WITH ORDINALITY AS each_change (change, place))"
    )
