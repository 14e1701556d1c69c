"""The answer of a mutation that starts a run: the run, or errors that the user can fix."""

from collections.abc import Awaitable, Callable

from domain.errors import UserInputError
from domain.runs.models import StartedRun, StartOutcome
from domain.tenancy.models import TenantAccess
from gql.audit import audit, audit_refused_start
from gql.context import Info
from gql.runs.types import StartRunPayload
from gql.user_errors import UserError


async def start_payload(
    start: Callable[[], Awaitable[StartedRun]], access: TenantAccess, info: Info
) -> StartRunPayload:
    """Start a run, audit it, and return the payload."""
    try:
        started = await start()
    except UserInputError as error:
        audit_refused_start(error, access)
        return StartRunPayload(run=None, outcome=None, user_errors=[UserError.of(error)])
    event = "run.start" if started.outcome is StartOutcome.CREATED else "run.reuse"
    audit(event, access, run_id=started.run.id, run_type=started.run.run_type)
    return StartRunPayload.of(started, access, info)
