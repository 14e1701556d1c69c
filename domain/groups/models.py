"""Groups, their members, and the changes of a page of the provider's answer (P7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from domain.runs.contexts import Parameters

RESOURCE = "group"
ACTION = "sync"
RUN_TYPE = f"{RESOURCE}.{ACTION}"


class GroupMemberKind(StrEnum):
    """What a member of a group is."""

    USER = "USER"
    DEVICE = "DEVICE"
    GROUP = "GROUP"
    SERVICE_PRINCIPAL = "SERVICE_PRINCIPAL"
    CONTACT = "CONTACT"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the last sync that named it stored it.

    `synced_by` is that sync's run, which retention may have deleted.
    """

    tenant_id: UUID
    group_id: str
    name: str
    synced_by: UUID
    synced_at: datetime


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A direct member of a group."""

    group_id: str
    member_id: str
    kind: GroupMemberKind


@dataclass(frozen=True, slots=True)
class LastGroupSync:
    """The last sync of the tenant's groups that read everything."""

    run_id: UUID
    ended_at: datetime


class GroupSyncParameters(Parameters):
    """The parameters of a sync of groups."""

    full: bool = Field(
        default=False, description="Read all groups instead of what changed since the last sync."
    )

    @property
    def context(self) -> dict[str, Any]:
        """The parameters as a run's context."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a tenant's next page of changes is, in the answers to one app: the `source`.

    Without a `path`, it is the first page of all groups. A `generation` begins with a full reading,
    and each row has that of the sync that saw it. While `is_full`, a full reading is under way: at
    its end, rows of an earlier generation are gone at the provider. `begun_by` is the run that
    began it. With `has_gaps`, some changes could not be stored, so that only a full reading helps.
    """

    generation: int
    source: str
    path: str | None
    is_full: bool
    has_gaps: bool
    begun_by: UUID


@dataclass(slots=True)
class GroupChange:
    """What a page says about one group.

    `was_removed` means that it lost its stored members first. `members` has the kind of those that
    joined, and None for those that left. A `failure` says why nothing of it can be stored.
    """

    name: str | None = None
    is_present: bool = True
    was_removed: bool = False
    members: dict[str, GroupMemberKind | None] = field(default_factory=dict)
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of changes by group id, and the path of the next page.

    On the last page, `next_path` is where the changes after this reading begin.
    """

    changes: Mapping[str, GroupChange]
    next_path: str
    is_last: bool


class PositionLostError(Exception):
    """The provider no longer knows the position: everything must be read again."""


def group_ids(changes: Mapping[str, GroupChange], *, present: bool) -> Sequence[str]:
    """Return the ids of the groups that can be stored and that exist or not, sorted."""
    return sorted(
        key
        for key, change in changes.items()
        if change.failure is None and change.is_present is present
    )
