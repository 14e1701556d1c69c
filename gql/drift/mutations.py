"""Starting drift generation."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import start_payload
from gql.runs.types import StartRunPayload


@strawberry.input(description="The scope to compare.")
class StartDriftGenerationInput:
    tenant_id: strawberry.ID = field(description="The tenant.")
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
        input: Annotated[  # noqa: A002
            StartDriftGenerationInput, argument(description="The scope to compare.")
        ],
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        drift = info.context.cases.drift
        return await start_payload(
            lambda: drift.start_generation(access, input.scope_key), access, info
        )
