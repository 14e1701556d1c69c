"""Groups and their members, as clients read them."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.groups import models
from domain.groups.models import GroupMemberKind
from domain.groups.repository import reading
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First, plain_text
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.limits.cost import COST
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, PageRequest, cursor_parts

GROUPS = CursorKind[models.Group, tuple[str, str]](
    "groups", encode=lambda row: (row.name, row.group_id), decode=cursor_parts(str, str)
)
MEMBERS = CursorKind[models.GroupMember, str](
    "members", encode=lambda row: (row.member_id,), decode=str
)
# A search may read the names of all groups.
_SEARCH = 50


@strawberry.type(description="A direct member of a group.")
class GroupMember:
    member_id: str = field(description="The member's id at the provider.")
    kind: GroupMemberKind = field(description="What the member is.")


@strawberry.type(description="A group of the tenant, as its last sync stored it.")
class Group(Node):
    access: strawberry.Private[TenantAccess]
    group_id: str = field(description="The group's id at the provider.")
    name: str = field(description="The group's display name.")
    last_synced_at: datetime = field(description="When a sync last stored a change of it.")
    last_synced_run_id: strawberry.ID = field(
        description="The id of that sync. Retention may have deleted the run."
    )

    @classmethod
    def of(cls, group: models.Group, access: TenantAccess) -> "Group":
        return cls(
            id=GlobalId("Group", group.tenant_id, group.group_id).encode(),
            access=access,
            group_id=group.group_id,
            name=group.name,
            last_synced_at=group.synced_at,
            last_synced_run_id=GlobalId(
                "OperationRun", group.tenant_id, group.synced_by.hex
            ).encode(),
        )

    @field(description="The number of direct members.")
    async def member_count(self, info: Info) -> int:
        return await info.context.load(reading.member_counts, self.access, self.group_id) or 0

    @field(description="The direct members, sorted by id.")
    async def members(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[GroupMember]:
        members = MEMBERS.of(self.group_id)
        request = PageRequest(info.context, self.access, members, first, after)
        return await request.load(reading.members, self.group_id)


@strawberry.type(description="The state of the tenant's groups after their last sync.")
class GroupDirectory:
    access: strawberry.Private[TenantAccess]
    last_synced_at: datetime = field(description="When a sync last read all changes.")
    last_synced_run_id: strawberry.ID = field(
        description="The id of that sync. Retention may have deleted the run."
    )

    @field(description="The number of groups that are stored.")
    async def group_count(self, info: Info) -> int:
        key = self.access.tenant_id
        return await info.context.load(reading.counts, self.access, key) or 0

    @classmethod
    async def load(cls, info: Info, access: TenantAccess) -> "GroupDirectory | None":
        """Return the state; None before the first sync reached the end."""
        last = await info.context.load(reading.last_syncs, access, access.tenant_id)
        if last is None:
            return None
        run_id = GlobalId("OperationRun", access.tenant_id, last.run_id.hex).encode()
        return cls(access=access, last_synced_at=last.ended_at, last_synced_run_id=run_id)


@strawberry.type
class TenantGroups:
    @field(description="The groups, sorted by name.", metadata={COST: _SEARCH})
    async def groups(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        search: Annotated[
            str | None, argument(description="Return only groups whose name contains this text.")
        ] = UNSET,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[Group]:
        text = plain_text(search or "")
        request = PageRequest(info.context, root, GROUPS.of(text), first, after)
        return await request.read(reading.page, text, node=lambda row: Group.of(row, root))

    @field(description="The state of the groups; null before their first sync has ended.")
    async def group_directory(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> GroupDirectory | None:
        return await GroupDirectory.load(info, root)
