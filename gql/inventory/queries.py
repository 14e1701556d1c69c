"""The inventory's part of a tenant."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from domain.errors import BadInputError
from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.scopes import valid_scope_key
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First, plain_text
from gql.context import Info
from gql.ids import GlobalId, quoted
from gql.inventory.types import InventoryScope, Policy
from gql.pages import DEFAULT_PAGE, Connection, Cursor, forward_page, page_size


@strawberry.type
class TenantInventory:
    """The fields of Tenant about its inventory."""

    @strawberry.field(description="The scopes that the provider has or had, by key.")
    async def inventory_scopes(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> list[InventoryScope]:
        return [InventoryScope.of(s) for s in await info.context.cases.inventory.scopes(root)]

    @strawberry.field(description="A scope's policies as of its newest whole sync, by name.")
    async def policies(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        scope_key: Annotated[str, strawberry.argument(description="The scope's key.")],
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[Policy]:
        size = page_size(first)
        kind = f"policies {plain_text(scope_key)}"
        start = after and await info.context.place(after, kind, root.tenant_id, str, str)
        rows = await info.context.cases.inventory.policies(
            root, scope_key, after=start or None, limit=size + 1
        )
        return forward_page(
            rows,
            size,
            after=after,
            node=Policy.of,
            cursor=lambda row: Cursor(kind, row.tenant_id, (row.name, row.policy_id)).encode(),
        )


def policy_key(id_: GlobalId) -> tuple[str, str]:
    """Return (scope key, policy id) of a policy's global id; BadInputError for what is none."""
    scope_key, _, policy_id = id_.key.partition("/")  # scope keys have no slash
    if not valid_scope_key(scope_key) or not 0 < len(policy_id) <= MAX_ID_LENGTH:
        raise BadInputError(f"{quoted(id_.encode())} is no id of this API.")
    return scope_key, policy_id


async def policies_by_id(
    info: Info, access: TenantAccess, ids: list[GlobalId]
) -> dict[GlobalId, Policy]:
    """Return policies by their global ids, for `node`."""
    wanted = {policy_key(id_): id_ for id_ in ids}
    found = await info.context.cases.inventory.policies_by_key(access, list(wanted))
    return {wanted[key]: Policy.of(policy) for key, policy in found.items()}
