"""The fields of a tenant about its inventory."""

from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.errors import BadInputError
from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.repository import policies, scopes
from domain.inventory.scopes import valid_scope_key
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First, plain_text
from gql.context import Info
from gql.ids import GlobalId, quoted
from gql.inventory.types import POLICIES, InventoryScope, Policy
from gql.pages import DEFAULT_PAGE, Connection, PageRequest


@strawberry.type
class TenantInventory:
    @field(description="The scopes that the provider has listed, sorted by key.")
    async def inventory_scopes(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> list[InventoryScope]:
        return [InventoryScope.of(s) for s in await info.context.read(scopes.scopes, root)]

    @field(description="The policies of a scope's current snapshot, sorted by name.")
    async def policies(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        scope_key: Annotated[str, argument(description="The key of the scope.")],
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[Policy]:
        listed = POLICIES.of(plain_text(scope_key))
        request = PageRequest(info.context, root, listed, first, after)
        return await request.read(policies.current_page, scope_key, node=Policy.of)


def policy_key(id_: GlobalId) -> tuple[str, str]:
    """Return (scope key, policy id) of a policy's global id; BadInputError for any other id."""
    scope_key, _, policy_id = id_.key.partition("/")  # scope keys have no slash
    if not valid_scope_key(scope_key) or not 0 < len(policy_id) <= MAX_ID_LENGTH:
        raise BadInputError(f"{quoted(id_.encode())} is not an id of this API.")
    return scope_key, policy_id


async def policies_by_id(
    info: Info, access: TenantAccess, ids: list[GlobalId]
) -> dict[GlobalId, Policy]:
    """Return policies by their global ids, for `node`."""
    keys = {policy_key(id_): id_ for id_ in ids}
    current = await info.context.read(policies.current_policies, access, list(keys))
    return {keys[key]: Policy.of(policy) for key, policy in current.items()}
