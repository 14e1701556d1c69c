"""Starting drift generation."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.drift.run_type import DRIFT_GENERATE, DriftParameters
from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import StartRunPayload, start_run


@strawberry.input(description="The scope to compare.")
class StartDriftGenerationInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    scope_key: str = field(description="The key of the scope to compare.")


@strawberry.type
class DriftMutations:
    @strawberry.mutation(
        description="Start `drift.generate`, which compares a scope's last two complete snapshots."
    )
    @completes
    async def start_drift_generation(
        self,
        info: Info,
        input: Annotated[StartDriftGenerationInput, argument(description="The scope to compare.")],  # noqa: A002
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        parameters = DriftParameters(scope_key=input.scope_key)
        return await start_run(info, access, DRIFT_GENERATE, parameters)
