"""Inventory scopes and policies, as clients read them."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.errors import BadInputError
from domain.inventory import models
from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.repository import policies, scopes
from domain.inventory.scopes import valid_scope_key
from domain.runs.models import OperationRun
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First, plain_text
from gql.context import Info
from gql.ids import GlobalId, Node, quoted
from gql.limits.cost import MEMBERS
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, PageRequest, cursor_parts

POLICIES = CursorKind[models.Policy, tuple[str, str]](
    "policies", encode=lambda row: (row.name, row.policy_id), decode=cursor_parts(str, str)
)


@strawberry.type(description="How many policies were exported in one format.")
class PolicyFormatCount:
    format: models.PolicyFormat = field(description="The format.")
    policy_count: int = field(description="The number of policies in it.")


@strawberry.type(description="A part of the tenant's inventory that is synced as a unit.")
class InventoryScope:
    key: str = field(description="The unique key. Pass it to `startInventorySync`.")
    last_seen_at: datetime = field(
        description="When the provider last listed it, to within a minute."
    )
    access: strawberry.Private[TenantAccess]
    model: strawberry.Private[models.InventoryScope]
    last_snapshot_run_id: strawberry.ID | None = field(
        description="The newest sync that succeeded completely. Its snapshot is the scope's current"
        " state."
    )

    @classmethod
    def of(cls, scope: models.InventoryScope, access: TenantAccess) -> "InventoryScope":
        run_id = scope.last_snapshot_run_id
        return cls(
            access=access,
            model=scope,
            key=scope.key,
            last_seen_at=scope.last_seen_at,
            last_snapshot_run_id=GlobalId("OperationRun", scope.tenant_id, run_id.hex).encode()
            if run_id
            else None,
        )

    @field(
        description="The formats of the current snapshot's policies; empty without a snapshot.",
        metadata={MEMBERS: len(models.PolicyFormat)},
    )
    async def formats(self, info: Info) -> list[PolicyFormatCount]:
        run_id = self.model.last_snapshot_run_id
        if run_id is None:
            return []
        counts = await info.context.load(policies.format_counts, self.access, run_id)
        return [PolicyFormatCount(format=key, policy_count=n) for key, n in (counts or {}).items()]


@strawberry.type(description="A policy in the current snapshot of its scope.")
class Policy(Node):
    scope_key: str = field(description="The key of the scope that the policy was read from.")
    policy_id: str = field(description="The policy's id at the provider.")
    name: str = field(description="The policy's display name.")
    policy_type: str = field(
        description="The policy's type at the provider, for example `windows10CompliancePolicy`."
    )

    @classmethod
    def of(cls, policy: models.Policy) -> "Policy":
        key = f"{policy.scope_key}/{policy.policy_id}"
        return cls(
            id=GlobalId("Policy", policy.tenant_id, key).encode(),
            scope_key=policy.scope_key,
            policy_id=policy.policy_id,
            name=policy.name,
            policy_type=policy.policy_type,
        )


@strawberry.type(description="The policies that one inventory sync stored.")
class InventorySnapshot:
    scope_key: str = field(description="The key of the scope that was synced.")
    policy_count: int = field(description="The number of policies in the snapshot.")
    is_whole: bool = field(
        description="Whether every policy was stored. Only a complete snapshot is compared or shown"
        " as current."
    )

    @classmethod
    def of(cls, run: OperationRun, policy_count: int) -> "InventorySnapshot":
        return cls(
            scope_key=models.SyncParameters.model_validate(run.context).scope_key,
            policy_count=policy_count,
            is_whole=run.status_bucket == "SUCCEEDED",
        )


@strawberry.type
class TenantInventory:
    @field(description="The scopes that the provider has listed, sorted by key.")
    async def inventory_scopes(
        self, root: strawberry.Parent[TenantAccess], info: Info
    ) -> list[InventoryScope]:
        listed = await info.context.read(scopes.scopes, root)
        return [InventoryScope.of(scope, root) for scope in listed]

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
