"""The last event of a run and the word to whoever started it: one place for all endings."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notifications import repository as notifications
from domain.notifications.models import NotificationOutcome
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository import feed, reading
from domain.tenancy.models import SYSTEM_INITIATOR_ID


async def announce_end(connection: AsyncConnection, tenant_id: UUID, run_id: UUID) -> OperationRun:
    """Emit the terminal event and notify the initiator, in the transaction that ended the run.

    Returns the run as it ended.
    """
    seq = await feed.emit(connection, tenant_id, run_id, RunEventKind.FINISHED)
    (run,) = await reading.by_ids(connection, tenant_id, [run_id])
    if run.initiator.id != SYSTEM_INITIATOR_ID:
        await notifications.add(
            connection,
            tenant_id,
            run.initiator.id,
            run_id,
            seq,
            NotificationOutcome(run.status_bucket),
        )
    return run
