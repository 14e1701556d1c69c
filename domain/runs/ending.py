"""The last event of a run and the notification of its initiator, for every kind of end."""

from uuid import UUID

from domain.notifications import repository as notifications
from domain.notifications.models import NotificationOutcome
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository import feed, reading
from domain.tenancy.session import TenantSession


async def announce_end(session: TenantSession, run_id: UUID) -> OperationRun:
    """Emit the terminal event and notify the initiator, in the transaction that ended the run.

    Returns the run as it ended.
    """
    seq = await feed.emit(session, run_id, RunEventKind.FINISHED)
    run = (await reading.by_ids(session, [run_id]))[run_id]
    if not run.initiator.is_system:
        outcome = NotificationOutcome(run.status_bucket)
        await notifications.add(session, run.initiator.id, run_id, seq, outcome)
    return run
