"""Why runs wait, if something is missing."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import case, exists, func, literal, select

from domain.lifecycle import RunStatus
from domain.runs.repository.entries import SHARE, UNSENT, places_taken
from domain.runs.repository.recording import ACTIVE
from domain.runs.repository.serving import any_worker_runs, is_served
from domain.tables import operation_run, outbox
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of

_run = operation_run.c
_is_unsent = exists().where(outbox.c.tenant_id == TENANT, outbox.c.run_id == _run.id, UNSENT)
_has_no_place = _is_unsent & (places_taken(TENANT) >= func.nullif(SHARE, 0))
_REASONS = Statement(
    select(
        _run.id,
        case(
            (_run.status == RunStatus.RUNNING, _run.waiting_reason),
            (~any_worker_runs, "No worker is running."),
            (
                ~is_served(_run.run_type),
                literal("No worker that knows `") + _run.run_type + "` is running.",
            ),
            (_run.not_before > func.clock_timestamp(), "The next attempt begins in a moment."),
            (_has_no_place, "Other runs of this tenant have to end first."),
        ).label("reason"),
    ).where(_run.tenant_id == TENANT, any_of(_run.id, "ids"), ACTIVE)
)


async def waiting_reasons(
    session: TenantSession, run_ids: Sequence[UUID], *, share: int
) -> Mapping[UUID, str | None]:
    """Return why active runs wait, as text; None for those that run or wait for a free worker.

    At most `share` runs of the tenant are dispatched or running at a time; 0 if that is not known.
    """
    values = {"ids": run_ids, SHARE.key: share}
    return {row.id: row.reason for row in await session.rows(_REASONS, values)}
