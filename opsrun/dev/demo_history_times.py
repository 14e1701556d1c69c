"""Move runs that were just made into the past, with everything that belongs to them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text

from domain.runs.models import OperationRun
from domain.tenancy.session import TenantSession

# By table: the condition for the rows of a run, and the columns that hold times.
_TIMES = {
    "operation_run": (
        "it.id = past.run_id",
        ("created_at", "not_before", "last_dispatched_at", "started_at", "finished_at"),
    ),
    "run_event": ("it.run_id = past.run_id", ("started_at", "finished_at", "occurred_at")),
    "run_item": ("it.run_id = past.run_id", ("recorded_at",)),
    "run_failure": ("it.run_id = past.run_id", ("occurred_at",)),
    "notification": ("it.run_id = past.run_id", ("created_at",)),
    "drift_finding": ("it.run_id = past.run_id", ("found_at",)),
    # A copy does not name its run, but the runs were made one after the other.
    "backup_set_policy": ("it.added_at BETWEEN past.made_at AND past.ended_at", ("added_at",)),
}
_MOVE = """UPDATE opsrun.{table} AS it SET {times} FROM unnest(CAST(:ids AS uuid[]),
    CAST(:made AS timestamptz[]), CAST(:ended AS timestamptz[]), CAST(:pasts AS timestamptz[]),
    CAST(:factors AS float8[])) AS past(run_id, made_at, ended_at, began_at, factor)
  WHERE it.tenant_id = :tenant_id AND {condition}"""
_TIME = "{0} = past.began_at + past.factor * (it.{0} - past.made_at)"
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
        "factors": [_factor(run) for run, _ in moments],
    }
    for table, (condition, columns) in _TIMES.items():
        times = ", ".join(map(_TIME.format, columns))
        statement = _MOVE.format(table=table, times=times, condition=condition)
        await session.execute(text(statement), past)
    for statement in (_SETS, _READ, _OUTBOX):
        await session.execute(text(statement), {"tenant_id": session.tenant_id})


def _factor(run: OperationRun) -> float:
    """Return the factor that gives the run the duration of a run with a real inventory."""
    assert run.finished_at is not None
    seconds = 4 + 0.8 * run.counts.processed
    return timedelta(seconds=seconds) / (run.finished_at - run.created_at)
