"""The steps and the payload that all start mutations share."""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec

import strawberry
from strawberry import field

from domain.errors import UserInputError
from domain.runs.models import StartedRun, StartOutcome
from domain.tenancy.models import TenantAccess
from gql.audit import audit, audit_refused_start
from gql.context import Info
from gql.runs.types import OperationRun
from gql.user_errors import UserError

P = ParamSpec("P")


@strawberry.type(description="The result of a start: a run, or user errors.")
class StartRunPayload:
    run: OperationRun | None = field(description="The run; null if there are user errors.")
    outcome: StartOutcome | None = field(
        description="Whether the run is new; null if there are user errors."
    )
    user_errors: list[UserError] = field(description="Errors the user can fix; empty on success.")


async def start_run(
    info: Info,
    access: TenantAccess,
    start: Callable[Concatenate[TenantAccess, P], Awaitable[StartedRun]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> StartRunPayload:
    """Call the use case `start` for a member, audit the start, and return the payload.

    start = info.context.cases.drift.start_generation
    return await start_run(info, access, start, input.scope_key)
    """
    try:
        started = await start(access, *args, **kwargs)
    except UserInputError as error:
        audit_refused_start(error, access)
        return StartRunPayload(run=None, outcome=None, user_errors=[UserError.of(error)])
    event = "run.start" if started.outcome is StartOutcome.CREATED else "run.reuse"
    audit(event, access, run_id=started.run.id, run_type=started.run.run_type)
    run = OperationRun.of(started.run, access, info)
    return StartRunPayload(run=run, outcome=started.outcome, user_errors=[])
