"""Starting drift generation."""

from typing import Annotated

import strawberry

from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import start_payload
from gql.runs.types import StartRunPayload


@strawberry.input(description="What to compare.")
class StartDriftGenerationInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    scope_key: str = strawberry.field(description="The scope whose last two syncs to compare.")


@strawberry.type
class DriftMutations:
    """The mutations about drift."""

    @strawberry.mutation(
        description="Start `drift.generate`: compare a scope's last two whole syncs."
    )
    @completes
    async def start_drift_generation(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            StartDriftGenerationInput, strawberry.argument(description="What to compare.")
        ],
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        drift = info.context.cases.drift
        return await start_payload(
            lambda: drift.start_generation(access, input.scope_key), access, info
        )
