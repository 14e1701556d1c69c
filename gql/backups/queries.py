"""Backup sets and their policies, as clients read them."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import UNSET, field

from domain.backups import models, repository
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, PageRequest, cursor_parts
from gql.scalars import moment

BACKUP_SETS = CursorKind[models.BackupSet, tuple[datetime, UUID]](
    "backup sets",
    encode=lambda row: (row.created_at, row.id.hex),
    decode=cursor_parts(moment, UUID),
)
COPIES = CursorKind[models.BackedUpPolicy, tuple[str, str, str]](
    "copies",
    encode=lambda row: (row.name, row.scope_key, row.policy_id),
    decode=cursor_parts(str, str, str),
)


@strawberry.type(description="A copy of a policy in a backup set.")
class BackedUpPolicy:
    scope_key: str = field(description="The key of the scope that the policy came from.")
    policy_id: str = field(description="The policy's id at the provider.")
    name: str = field(description="The policy's display name when it was copied.")
    policy_type: str = field(description="The policy's type at the provider.")
    added_at: datetime = field(description="When the policy was copied.")


@strawberry.type(
    description="A named set of policy copies. Each copy keeps the policy as it was when it was"
    " added."
)
class BackupSet(Node):
    access: strawberry.Private[TenantAccess]
    model: strawberry.Private[models.BackupSet]
    name: str = field(description="The name, unique within the tenant.")
    created_by: str = field(description="The creator's name at the time of creation.")
    created_at: datetime = field(description="When it was created.")
    policy_count: int = field(description="The number of policy copies in the set.")

    @classmethod
    def of(cls, backup_set: models.BackupSet, access: TenantAccess) -> "BackupSet":
        return cls(
            id=GlobalId("BackupSet", backup_set.tenant_id, backup_set.id.hex).encode(),
            access=access,
            model=backup_set,
            name=backup_set.name,
            created_by=backup_set.created_by_name,
            created_at=backup_set.created_at,
            policy_count=backup_set.policy_count,
        )

    @field(description="The policy copies, sorted by name.")
    async def policies(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[BackedUpPolicy]:
        request = PageRequest(info.context, self.access, COPIES.of(self.model.id), first, after)
        return await request.load(repository.policies, self.model.id)


@strawberry.type
class TenantBackups:
    @field(description="The backup sets, newest first.")
    async def backup_sets(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[BackupSet]:
        request = PageRequest(info.context, root, BACKUP_SETS, first, after)
        return await request.read(repository.page, node=lambda row: BackupSet.of(row, root))
