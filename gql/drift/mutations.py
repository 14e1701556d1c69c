"""Starting drift generation."""

from typing import Annotated

import strawberry

from gql.context import Info
from gql.runs.mutations import start_payload
from gql.runs.types import StartRunPayload


@strawberry.input(description="What to compare.")
class StartDriftGenerationInput:
    """Input of `startDriftGeneration`."""

    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    scope_key: str = strawberry.field(description="The scope whose last two syncs to compare.")


@strawberry.type
class DriftMutations:
    """The mutations about drift."""

    @strawberry.mutation(
        description="Start `drift.generate`: compare a scope's last two whole syncs."
    )
    async def start_drift_generation(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            StartDriftGenerationInput, strawberry.argument(description="What to compare.")
        ],
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        starting = info.context.cases.drift.start_generation(access, input.scope_key)
        return await start_payload(starting, access, info)
