"""Scopes, and the policies in their snapshots."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from domain.runs.contexts import Parameters

RESOURCE = "inventory"
ACTION = "sync"
RUN_TYPE = f"{RESOURCE}.{ACTION}"


class PolicyFormat(StrEnum):
    """The formats of exported documents (docs/exports.md)."""

    GRAPH_OBJECT = "GRAPH_OBJECT"
    PORTAL = "PORTAL"
    INTUNE_CD_JSON = "INTUNE_CD_JSON"
    INTUNE_CD_YAML = "INTUNE_CD_YAML"
    CIPP = "CIPP"


@dataclass(frozen=True, slots=True)
class InventoryScope:
    """A part of the tenant's configuration that is synced as a whole.

    `last_snapshot_run_id` is the newest sync that succeeded; its snapshot is the current one.
    """

    tenant_id: UUID
    key: str
    last_seen_at: datetime
    last_snapshot_run_id: UUID | None


class SyncParameters(Parameters):
    """The parameters of a sync."""

    scope_key: str = Field(description="The key of the scope to sync.")
    allow_empty: bool = Field(
        default=False, description="Accept that the scope has lost all its policies."
    )

    @property
    def context(self) -> dict[str, Any]:
        """The parameters as a run's context."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """A policy to add to a snapshot; its document is stored already.

    `hashes` has the content's 32 bytes and then the document's: as one value, because a sync holds
    the records of all policies.
    """

    key: str
    policy_id: str
    name: str
    policy_type: str
    hashes: bytes
    format: PolicyFormat = PolicyFormat.GRAPH_OBJECT

    @property
    def content_hash(self) -> bytes:
        """The SHA-256 of the normalized document."""
        return self.hashes[:32]

    @property
    def document_hash(self) -> bytes:
        """The SHA-256 of the document, by which it is stored."""
        return self.hashes[32:]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy in the snapshot of a run."""

    tenant_id: UUID
    scope_key: str
    run_id: UUID
    policy_id: str
    name: str
    policy_type: str


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """A policy that differs between two snapshots; None stands for a snapshot without it.

    `stored_bytes` is the size of both documents in the database, which compresses them.
    """

    policy_id: str
    name: str
    policy_type: str
    baseline_document: bytes | None
    current_document: bytes | None
    stored_bytes: int
