"""Starting runs of any type, and the payload that all start mutations share."""

from typing import Annotated, TypeVar

import strawberry
from strawberry import argument, field
from strawberry.scalars import JSON

from domain.errors import InvalidContextError, UserInputError
from domain.runs.contexts import Parameters
from domain.runs.models import StartedRun, StartOutcome
from domain.runs.run_types import RunType, run_types
from domain.tenancy.models import TenantAccess
from gql.audit import audit, audit_refused_start
from gql.completion import completes
from gql.context import Info
from gql.runs.types import OperationRun
from gql.user_errors import UserError

P = TypeVar("P", bound=Parameters)


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
    run_type: RunType[P],
    parameters: P,
) -> StartRunPayload:
    """Start a run for a member, audit the start, and return the payload.

    parameters = DriftParameters(scope_key=input.scope_key)
    return await start_run(info, access, DRIFT_GENERATE, parameters)
    """
    try:
        started = await info.context.cases.operations.start_with(access, run_type, parameters)
    except UserInputError as error:
        audit_refused_start(error, access)
        return _refused(UserError.of(error))
    return _started(info, access, started)


def _started(info: Info, access: TenantAccess, started: StartedRun) -> StartRunPayload:
    event = "run.start" if started.outcome is StartOutcome.CREATED else "run.reuse"
    audit(event, access, run_id=started.run.id, run_type=started.run.run_type)
    run = OperationRun.of(started.run, access, info)
    return StartRunPayload(run=run, outcome=started.outcome, user_errors=[])


def _refused(*errors: UserError) -> StartRunPayload:
    return StartRunPayload(run=None, outcome=None, user_errors=list(errors))


@strawberry.input(description="The run to start.")
class StartOperationInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    run_type: str = field(description="The name of the run type, from `runTypes`.")
    context: JSON = field(
        description="The parameters, an object that fits the run type's `contextSchema`. Every"
        " member of the tenant can read them."
    )


@strawberry.type
class RunMutations:
    @strawberry.mutation(description="Start a run of any type.")
    @completes
    async def start_operation(
        self,
        info: Info,
        input: Annotated[StartOperationInput, argument(description="The run to start.")],  # noqa: A002
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        try:
            run_type = run_types().for_start(access, input.run_type)
        except UserInputError as error:
            return _refused(UserError.of(error))
        try:
            started = await info.context.cases.operations.start(access, run_type, input.context)
        except UserInputError as error:
            audit_refused_start(error, access)
            return _refused(UserError.of_context(error))
        except InvalidContextError as error:
            return _refused(*map(UserError.of_problem, error.problems))
        return _started(info, access, started)
