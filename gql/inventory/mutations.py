"""Starting inventory syncs."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.inventory.models import SyncParameters
from domain.inventory.run_type import INVENTORY_SYNC
from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import StartRunPayload, start_run


@strawberry.input(description="The scope to sync.")
class StartInventorySyncInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    scope_key: str = field(description="The key of the scope, from `inventoryScopes`.")
    allow_empty: bool = field(
        default=False,
        description="Whether the scope may be empty. If false, a sync that finds no policies fails"
        " when the scope had policies before.",
    )


@strawberry.type
class InventoryMutations:
    @strawberry.mutation(
        description="Start `inventory.sync`, which stores all policies of a scope as a snapshot."
    )
    @completes
    async def start_inventory_sync(
        self,
        info: Info,
        input: Annotated[StartInventorySyncInput, argument(description="The scope to sync.")],  # noqa: A002
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        parameters = SyncParameters(scope_key=input.scope_key, allow_empty=input.allow_empty)
        return await start_run(info, access, INVENTORY_SYNC, parameters)
