"""A tenant's policies as one sync saw them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

RESOURCE = "inventory"
ACTION = "sync"
RUN_TYPE = f"{RESOURCE}.{ACTION}"


@dataclass(frozen=True, slots=True)
class InventoryScope:
    """A part of the tenant's systems that is synced as a whole.

    `last_snapshot_run_id` is the newest sync of bucket SUCCEEDED: only a whole snapshot is a
    current state.
    """

    tenant_id: UUID
    key: str
    last_seen_at: datetime
    last_snapshot_run_id: UUID | None


@dataclass(frozen=True, slots=True)
class SyncParameters:
    """The parameters of a sync. With `allow_empty` a scope that had policies may have none now."""

    scope_key: str
    allow_empty: bool = False

    @classmethod
    def of_context(cls, context: Mapping[str, Any]) -> "SyncParameters":
        """Read the parameters from the context of a sync."""
        return cls(context["scopeKey"], context.get("allowEmpty", False))

    @property
    def context(self) -> dict[str, Any]:
        """The parameters as the context of a sync."""
        permission = {"allowEmpty": True} if self.allow_empty else {}
        return {"scopeKey": self.scope_key, **permission}


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy to add to a snapshot; its document is stored first."""

    key: str
    policy_id: str
    name: str
    policy_type: str
    content_hash: bytes
    document_hash: bytes


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy inside the snapshot of one run."""

    tenant_id: UUID
    scope_key: str
    run_id: UUID
    policy_id: str
    name: str
    policy_type: str


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """A policy whose content differs between two snapshots; a side without it has no hash."""

    policy_id: str
    name: str
    policy_type: str
    baseline_document: bytes | None
    current_document: bytes | None
