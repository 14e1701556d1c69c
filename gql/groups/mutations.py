"""Starting syncs of groups."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from domain.groups.models import GroupSyncParameters
from domain.groups.run_type import GROUP_SYNC
from gql.completion import completes
from gql.context import Info
from gql.runs.mutations import StartRunPayload, start_run


@strawberry.input(description="The tenant whose groups to sync.")
class StartGroupSyncInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    full: bool = field(
        default=False,
        description="Whether to read all groups instead of what changed since the last sync. While"
        " a sync is queued or running, that one is returned.",
    )


@strawberry.type
class GroupMutations:
    @strawberry.mutation(
        description="Start `group.sync`, which stores the tenant's groups and their members."
    )
    @completes
    async def start_group_sync(
        self,
        info: Info,
        input: Annotated[StartGroupSyncInput, argument(description="The tenant.")],  # noqa: A002
    ) -> StartRunPayload:
        access, _ = await info.context.locate(input.tenant_id, "Tenant")
        return await start_run(info, access, GROUP_SYNC, GroupSyncParameters(full=input.full))
