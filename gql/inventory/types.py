"""The types of a tenant's inventory."""

from datetime import datetime

import strawberry
from strawberry import field

from domain.inventory import models
from domain.runs.models import OperationRun
from gql.ids import GlobalId, Node
from gql.pages import CursorKind, cursor_parts

POLICIES = CursorKind[models.Policy, tuple[str, str]](
    "policies",
    encode=lambda row: (row.name, row.policy_id),
    decode=cursor_parts(str, str),
)


@strawberry.type(description="A part of the tenant's inventory that is synced as a unit.")
class InventoryScope:
    key: str = field(description="Pass it to `startInventorySync`.")
    last_seen_at: datetime = field(description="When the provider last listed it.")
    last_snapshot_run_id: strawberry.ID | None = field(
        description="The newest sync that succeeded completely. Its snapshot is the scope's current"
        " state."
    )

    @classmethod
    def of(cls, scope: models.InventoryScope) -> "InventoryScope":
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
    scope_key: str = field(description="The scope that the policy was read from.")
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
            scope_key=models.SyncParameters.of_context(run.context).scope_key,
            policy_count=policy_count,
            is_whole=run.status_bucket == "SUCCEEDED",
        )
