"""Move runs that were just made into the past, with everything that belongs to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from domain.runs.models import OperationRun
from domain.tenancy.session import TenantSession

# By table: the column with the run's id, and its moments.
_MOMENTS = {
    "operation_run": (
        "id",
        ("created_at", "not_before", "last_dispatched_at", "started_at", "finished_at"),
    ),
    "run_event": ("run_id", ("started_at", "finished_at", "occurred_at")),
    "run_item": ("run_id", ("recorded_at",)),
    "run_failure": ("run_id", ("occurred_at",)),
    "notification": ("run_id", ("created_at",)),
    "drift_finding": ("run_id", ("found_at",)),
}
_PAST = """unnest(CAST(:ids AS uuid[]), CAST(:made AS timestamptz[]), CAST(:ended AS timestamptz[]),
    CAST(:pasts AS timestamptz[]), CAST(:factors AS float8[]))
  AS past(run_id, made_at, ended_at, began_at, factor)"""
# A copy does not name its run, but runs were made one after the other.
_COPIES = f"""UPDATE opsrun.backup_set_policy AS it
  SET added_at = past.began_at + past.factor * (it.added_at - past.made_at)
  FROM {_PAST} WHERE it.tenant_id = :tenant_id
  AND it.added_at BETWEEN past.made_at AND past.ended_at"""  # noqa: S608 - no input
_SETS = """UPDATE opsrun.backup_set AS it SET created_at = copies.first - interval '2 minutes'
  FROM (SELECT backup_set_id, min(added_at) AS first FROM opsrun.backup_set_policy
    WHERE tenant_id = :tenant_id GROUP BY backup_set_id) AS copies
  WHERE it.tenant_id = :tenant_id AND it.id = copies.backup_set_id"""
_READ = """UPDATE opsrun.notification SET read_at = created_at + interval '20 minutes'
  WHERE tenant_id = :tenant_id AND created_at < clock_timestamp() - interval '1 day'"""
_OUTBOX = "DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id"


async def move_into_past(
    session: TenantSession, moments: Sequence[tuple[OperationRun, datetime]]
) -> None:
    """Set the creation time of each run to its moment, and give it a realistic duration.

    `moments` holds all runs of the tenant in the order in which they were made. Their outbox
    entries are deleted. Needs the maintenance login.
    """
    past = {
        "tenant_id": session.tenant_id,
        "ids": [run.id for run, _ in moments],
        "made": [run.created_at for run, _ in moments],
        "ended": [run.finished_at for run, _ in moments],
        "pasts": [moment for _, moment in moments],
        "factors": [_usual_length(run) / _length(run) for run, _ in moments],
    }
    for table, (key, columns) in _MOMENTS.items():
        shifts = ", ".join(
            f"{column} = past.began_at + past.factor * (it.{column} - past.made_at)"
            for column in columns
        )
        await session.execute(
            text(
                f"UPDATE opsrun.{table} AS it SET {shifts} FROM {_PAST}"  # noqa: S608 - no input
                f" WHERE it.tenant_id = :tenant_id AND it.{key} = past.run_id"
            ),
            past,
        )
    await session.execute(text(_COPIES), past)
    for statement in (_SETS, _READ, _OUTBOX):
        await session.execute(text(statement), {"tenant_id": session.tenant_id})


def _usual_length(run: OperationRun) -> timedelta:
    return timedelta(seconds=4 + 0.8 * run.counts.processed)


def _length(run: OperationRun) -> timedelta:
    assert run.finished_at is not None
    return run.finished_at - run.created_at
