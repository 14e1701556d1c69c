"""How a start mutation answers: with the run, or with what the user can mend."""

from collections.abc import Awaitable

from domain.errors import UserInputError
from domain.runs.models import StartedRun, StartOutcome
from domain.tenancy.models import TenantAccess
from gql.audit import audit, audit_refused_start, run_to_completion
from gql.context import Info
from gql.runs.types import StartRunPayload
from gql.user_errors import UserError


async def start_payload(
    starting: Awaitable[StartedRun], access: TenantAccess, info: Info
) -> StartRunPayload:
    """Await a start, also when its client leaves, and wrap its answer."""
    return await run_to_completion(_start(starting, access, info), info.context)


async def _start(
    starting: Awaitable[StartedRun], access: TenantAccess, info: Info
) -> StartRunPayload:
    try:
        started = await starting
    except UserInputError as error:
        audit_refused_start(error, info.context, access)
        return StartRunPayload(run=None, outcome=None, user_errors=[UserError.of(error)])
    event = "run.start" if started.outcome is StartOutcome.CREATED else "run.reuse"
    audit(event, info.context, access, run_id=started.run.id, run_type=started.run.run_type)
    return StartRunPayload.of(started, access, info)
