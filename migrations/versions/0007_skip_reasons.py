"""Store why an item was skipped, name backup runs after their sets, and remove values of findings.

Findings of earlier versions hold the values of all settings, including secrets. New findings never
store a secret. In earlier findings secrets cannot be recognized, so all values are removed; the
paths and kinds of changes remain. The API now shows a run's subject. For a run that adds policies
to a backup set, it becomes the set's name instead of its id.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Forced row level security would hide every row from an owner that is not a superuser.
_CHANGED = ("drift_finding", "operation_run", "backup_set")


def upgrade() -> None:
    """Add the reason and its index, remove the values, and name the runs."""
    op.add_column("run_item", sa.Column("skip_reason", sa.Text()), schema="opsrun")
    op.create_index(
        "ix_run_item_skipped",
        "run_item",
        ["tenant_id", "run_id", "item_key"],
        schema="opsrun",
        postgresql_where=sa.text("outcome = 'skipped'"),
    )
    for table in _CHANGED:
        op.execute(f"ALTER TABLE opsrun.{table} NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "UPDATE opsrun.drift_finding SET changes = (SELECT coalesce(jsonb_agg(change ||"
        ' \'{"old": null, "new": null, "is_secret": true}\' ORDER BY place), \'[]\')'
        " FROM jsonb_array_elements(changes) WITH ORDINALITY AS each_change (change, place))"
    )
    op.execute(
        "UPDATE opsrun.operation_run run SET subject = backup_set.name FROM opsrun.backup_set"
        " WHERE run.run_type = 'backup_set.add_policies' AND run.tenant_id = backup_set.tenant_id"
        " AND run.subject = backup_set.id::text"
    )
    for table in _CHANGED:
        op.execute(f"ALTER TABLE opsrun.{table} FORCE ROW LEVEL SECURITY")
