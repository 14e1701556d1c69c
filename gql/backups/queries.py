"""The fields of a tenant about backup sets."""

import strawberry
from strawberry import UNSET, field

from domain.backups import repository
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.backups.types import BACKUP_SETS, BackupSet
from gql.context import Info
from gql.pages import DEFAULT_PAGE, Connection, PageRequest


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
