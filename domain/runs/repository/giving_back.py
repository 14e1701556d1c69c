"""Give a message back whose run type the worker does not know: another worker may know it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import BindParameter, Interval, Uuid, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus
from domain.runs.repository.entries import UNSENT
from domain.runs.repository.recording import THE_RUN
from domain.tables import operation_run, outbox
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement

_DELAY: BindParameter[timedelta] = bindparam("delay", type_=Interval())
_LOCK_UNSENT_ENTRY = Statement(
    select(outbox.c.id)
    .where(outbox.c.tenant_id == TENANT, outbox.c.run_id == bindparam("the_run", type_=Uuid()))
    .where(UNSENT)
    .with_for_update()
)
_run = (
    update(operation_run)
    .where(THE_RUN, operation_run.c.status == RunStatus.PENDING)
    .values(last_dispatched_at=None)
    .returning(*operation_run.c)
    .cte("run")
)
_entry = upsert(outbox).from_select(
    ["tenant_id", "run_id", "run_type", "not_before"],
    select(
        _run.c.tenant_id,
        _run.c.id,
        _run.c.run_type,
        func.greatest(_run.c.not_before, func.clock_timestamp() + _DELAY),
    ),
)
_GIVE_BACK = Statement(
    _entry.on_conflict_do_update(
        index_elements=[outbox.c.tenant_id, outbox.c.run_id],
        set_={"not_before": _entry.excluded.not_before, "sent_at": None, "is_claimed": False},
        # Otherwise the message is a duplicate, and the entry is not sent yet.
        where=outbox.c.sent_at.is_not(None),
    )
)


async def give_back(session: TenantSession, run_id: UUID, *, delay: timedelta) -> None:
    """Put a pending run into the outbox again, due after `delay`, and free its place.

    Adds no event and counts no attempt. The run's time in the queue goes on.
    """
    # The relay sends before it commits. Wait for it before the run is locked: it locks an unsent
    # entry first and the run last. A claim locks the run first.
    await session.execute(_LOCK_UNSENT_ENTRY, {"the_run": run_id})
    await session.execute(_GIVE_BACK, {"the_run": run_id, "delay": delay})
