"""The backup sets' part of a tenant."""

from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.backups import models
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.backups.types import BackupSet
from gql.context import Info
from gql.pages import DEFAULT_PAGE, Connection, Cursor, forward_page, page_size
from gql.scalars import moment


@strawberry.type
class TenantBackups:
    """The fields of Tenant about backup sets."""

    @strawberry.field(description="The backup sets, newest first.")
    async def backup_sets(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[BackupSet]:
        size = page_size(first)
        start = after and await info.context.place(
            after, "backup sets", root.tenant_id, moment, UUID
        )
        rows = await info.context.cases.backups.page(root, after=start or None, limit=size + 1)
        return forward_page(
            rows,
            size,
            after=after,
            node=lambda row: BackupSet.of(row, root),
            cursor=_cursor,
        )


def _cursor(row: models.BackupSet) -> str:
    return Cursor("backup sets", row.tenant_id, (row.created_at.isoformat(), row.id.hex)).encode()
