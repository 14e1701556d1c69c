"""The types of a tenant's inventory."""

from datetime import datetime

import strawberry

from domain.inventory import models
from domain.runs.models import OperationRun
from gql.ids import GlobalId, Node
from gql.pages import CursorKind, cursor_parts

POLICIES = CursorKind[models.Policy, tuple[str, str]](
    "policies",
    encode=lambda row: (row.name, row.policy_id),
    decode=cursor_parts(str, str),
)


@strawberry.type(description="A part of the tenant's systems that is synced as a whole.")
class InventoryScope:
    key: str = strawberry.field(description="Pass it to `startInventorySync`.")
    last_seen_at: datetime = strawberry.field(description="When the provider last had it.")
    last_snapshot_run_id: strawberry.ID | None = strawberry.field(
        description="The newest sync that succeeded as a whole; its snapshot is the current state."
    )

    @classmethod
    def of(cls, scope: models.InventoryScope) -> "InventoryScope":
        """Return the scope as a member sees it."""
        run_id = scope.last_snapshot_run_id
        return cls(
            key=scope.key,
            last_seen_at=scope.last_seen_at,
            last_snapshot_run_id=GlobalId("OperationRun", scope.tenant_id, run_id.hex).encode()
            if run_id
            else None,
        )


@strawberry.type(description="A policy in the current snapshot of its scope.")
class Policy(Node):
    scope_key: str = strawberry.field(description="The scope it was read from.")
    policy_id: str = strawberry.field(description="Its id at the provider.")
    name: str = strawberry.field(description="Its display name.")
    policy_type: str = strawberry.field(
        description="Its type at the provider, as `windows10CompliancePolicy`."
    )

    @classmethod
    def of(cls, policy: models.Policy) -> "Policy":
        """Return the policy as a member sees it."""
        key = f"{policy.scope_key}/{policy.policy_id}"
        return cls(
            id=GlobalId("Policy", policy.tenant_id, key).encode(),
            scope_key=policy.scope_key,
            policy_id=policy.policy_id,
            name=policy.name,
            policy_type=policy.policy_type,
        )


@strawberry.type(description="What one inventory sync stored.")
class InventorySnapshot:
    scope_key: str = strawberry.field(description="The scope that was synced.")
    policy_count: int = strawberry.field(description="How many policies were stored.")
    is_whole: bool = strawberry.field(
        description="Whether it may be a baseline or a current state: only if all succeeded."
    )

    @classmethod
    def of(cls, run: OperationRun, policy_count: int) -> "InventorySnapshot":
        """Describe the snapshot of a sync."""
        return cls(
            scope_key=models.SyncParameters.of_context(run.context).scope_key,
            policy_count=policy_count,
            is_whole=run.status_bucket == "SUCCEEDED",
        )
