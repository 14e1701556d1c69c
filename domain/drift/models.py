"""Comparisons, findings and changed settings (P2)."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

RESOURCE = "drift"
ACTION = "generate"
RUN_TYPE = f"{RESOURCE}.{ACTION}"


class DriftKind(StrEnum):
    """What happened to a policy since the baseline."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    MODIFIED = "MODIFIED"


class ChangeKind(StrEnum):
    """What happened to one setting of a policy."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"
    REORDERED = "REORDERED"


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A changed setting, with its whole values as JSON.

    `old` is None for ADDED, `new` for REMOVED, and both are None for a secret. For REORDERED, both
    list the common members of a list in their order.
    """

    path: str
    change: ChangeKind
    old: Any
    new: Any
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots of a scope; findings belong to a comparison, not to one of its runs."""

    scope_key: str
    baseline_run_id: UUID
    current_run_id: UUID

    @classmethod
    def of_context(cls, context: Mapping[str, Any]) -> "Comparison":
        """Read the comparison from a run's context."""
        return cls(
            context["scopeKey"], UUID(context["baselineRunId"]), UUID(context["currentRunId"])
        )

    @property
    def context(self) -> dict[str, str]:
        """The comparison as a run's context."""
        return {
            "scopeKey": self.scope_key,
            "baselineRunId": str(self.baseline_run_id),
            "currentRunId": str(self.current_run_id),
        }


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """A policy that differs between two snapshots.

    `changes` has the settings that differ; if the policy was added or removed, all its settings.
    """

    tenant_id: UUID
    id: UUID
    comparison: Comparison
    policy_id: str
    policy_name: str
    policy_type: str
    kind: DriftKind
    changes: Sequence[SettingChange]
    found_at: datetime


@dataclass(frozen=True, slots=True)
class NewFinding:
    """A finding that is not stored yet."""

    policy_id: str
    policy_name: str
    policy_type: str
    kind: DriftKind
    changes: Sequence[SettingChange]


def fingerprint(comparison: Comparison, finding: NewFinding) -> bytes:
    """Return 32 bytes that are equal for the same finding of different runs."""
    content = orjson.dumps([comparison, finding], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).digest()


_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])")


def ids_in(changes: Sequence[SettingChange]) -> frozenset[str]:
    """Return every id in the form of a UUID in the paths and values of changes, in lower case."""
    content = str([(change.path, change.old, change.new) for change in changes])
    return frozenset(_ID.findall(content.lower()))
