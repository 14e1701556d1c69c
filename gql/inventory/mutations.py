"""Starting inventory syncs."""

from typing import Annotated

import strawberry

from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import start_payload
from gql.runs.types import StartRunPayload


@strawberry.input(description="What to sync.")
class StartInventorySyncInput:
    tenant_id: strawberry.ID = strawberry.field(description="The tenant.")
    scope_key: str = strawberry.field(description="The scope, as `inventoryScopes` names it.")
    allow_empty: bool = strawberry.field(
        default=False,
        description="Whether the scope is meant to be empty. Without it, a sync that finds no"
        " policy fails if the scope had policies before.",
    )


@strawberry.type
class InventoryMutations:
    """The mutations about the inventory."""

    @strawberry.mutation(
        description="Start `inventory.sync`: read all policies of a scope into a snapshot."
    )
    @completes
    async def start_inventory_sync(
        self,
        info: Info,
        input: Annotated[  # noqa: A002
            StartInventorySyncInput, strawberry.argument(description="What to sync.")
        ],
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        inventory = info.context.cases.inventory
        return await start_payload(
            lambda: inventory.start_sync(access, input.scope_key, allow_empty=input.allow_empty),
            access,
            info,
        )
