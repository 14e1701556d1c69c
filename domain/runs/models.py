"""Read models of runs and of everything that belongs to a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from domain.lifecycle import BucketRule, RunStatus, StatusBucket, bucket_rule
from domain.open_enum import OpenEnum
from domain.runs.failures import Reason, reason_of
from domain.tenancy.models import Initiator


class ItemOutcome(StrEnum):
    """The outcome of one item of a run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunEventKind(OpenEnum):
    """The kinds of events in a run's timeline."""

    QUEUED = "RUN_QUEUED"
    STARTED = "RUN_STARTED"
    PROGRESSED = "RUN_PROGRESSED"
    REQUEUED = "RUN_REQUEUED"
    FINISHED = "RUN_FINISHED"
    OTHER = "RUN_OTHER"


class StartOutcome(StrEnum):
    """Whether a start created a run or returned one that is still active (R6)."""

    CREATED = "CREATED"
    REUSED_ACTIVE = "REUSED_ACTIVE"


class RunCounts(NamedTuple):
    """The numbers of items; `total` is None while unknown. They never decrease (R4)."""

    total: int | None
    succeeded: int
    failed: int
    skipped: int

    @property
    def processed(self) -> int:
        """The number of items with any outcome."""
        return self.succeeded + self.failed + self.skipped


FIXED_COLUMNS = (
    *("tenant_id", "id", "resource", "action", "initiator_id", "initiator_name"),
    *("subject", "context", "created_at"),
)
# Those that change; an event copies them from its run.
CHANGING_COLUMNS = (
    *("status", "total", "succeeded", "failed", "skipped"),
    *("attempt", "version", "started_at", "finished_at"),
)
COLUMNS = frozenset({*FIXED_COLUMNS, *CHANGING_COLUMNS, "expires_at", "observed_at"})
"""All columns of a run's row. `observed_at` is the time of the read, by the database's clock."""


def _column(name: str) -> Any:
    return property(lambda run: run.row[name])


class OperationRun:
    """A run at one version.

    An attribute reads its columns of the row when it is used. A query may therefore leave out the
    columns of attributes that the caller does not use.
    """

    __slots__ = ("row",)

    tenant_id: UUID = _column("tenant_id")
    id: UUID = _column("id")
    resource: str = _column("resource")
    action: str = _column("action")
    subject: str = _column("subject")
    context: Mapping[str, Any] = _column("context")
    attempt: int = _column("attempt")
    version: int = _column("version")
    created_at: datetime = _column("created_at")
    started_at: datetime | None = _column("started_at")
    finished_at: datetime | None = _column("finished_at")
    expires_at: datetime | None = _column("expires_at")
    observed_at: datetime = _column("observed_at")

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OperationRun) and all(
            self.row.get(name) == other.row.get(name) for name in COLUMNS
        )

    def __repr__(self) -> str:
        return f"OperationRun({dict(self.row)})"

    @property
    def status(self) -> RunStatus:
        """The stored status; ValueError for one that only a newer version knows."""
        return RunStatus(self.row["status"])

    @property
    def counts(self) -> RunCounts:
        """The numbers of items by outcome."""
        row = self.row
        return RunCounts(row["total"], row["succeeded"], row["failed"], row["skipped"])

    @property
    def initiator(self) -> Initiator:
        """Who started it, with the name at that time."""
        return Initiator(self.row["initiator_id"], self.row["initiator_name"])

    @property
    def run_type(self) -> str:
        """`resource.action` (R2)."""
        return f"{self.resource}.{self.action}"

    @property
    def _rule(self) -> BucketRule:
        row = self.row
        return bucket_rule(row["status"], succeeded=row["succeeded"], failed=row["failed"])

    @property
    def status_bucket(self) -> StatusBucket:
        """The status as users see it (R3)."""
        return self._rule.bucket

    @property
    def status_explanation(self) -> str:
        """Why the run is in this bucket, as a sentence."""
        return self._rule.explanation

    @property
    def progress(self) -> float | None:
        """The processed share of the items, from 0 to 1; None while the total is unknown."""
        counts = self.counts
        if counts.total is None:
            return None
        return counts.processed / counts.total if counts.total else 1.0

    @property
    def queued_seconds(self) -> float:
        """Seconds from creation to the first start; without a start, to the end or to now."""
        until = self.started_at or self.finished_at or self.observed_at
        return _seconds(until - self.created_at)

    @property
    def running_seconds(self) -> float | None:
        """Seconds from the first start to the end or to now; None before the first start."""
        if self.started_at is None:
            return None
        return _seconds((self.finished_at or self.observed_at) - self.started_at)

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended and cannot change."""
        return self.finished_at is not None


def _seconds(span: timedelta) -> float:
    return max(span.total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of the tenant's feed, with the run right after the event.

    `seq` counts the tenant's events without gaps and in commit order; `run.version` counts the
    run's events without gaps.
    """

    seq: int
    kind: RunEventKind
    run: OperationRun
    previous_bucket: StatusBucket | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """An item that needed no work, and why if the producer gave a reason."""

    run_id: UUID
    key: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The number of failures of a run with the same reason, and one of their messages."""

    reason: str
    count: int
    example_message: str

    @property
    def meaning(self) -> Reason:
        """What the reason's code means."""
        return reason_of(self.reason)

    @property
    def retryable(self) -> bool:
        """Whether the next try may succeed."""
        return self.meaning.retryable


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """A position in a tenant's feed, right after the event `seq`."""

    epoch: UUID
    seq: int


@dataclass(frozen=True, slots=True)
class Dispatch:
    """An outbox entry: send one run to a worker."""

    id: int
    tenant_id: UUID
    run_id: UUID
    run_type: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queued and running work of all tenants at one moment."""

    outbox_entries: int
    """Entries in the outbox, due or not."""
    oldest_wait: timedelta
    """The longest time that a due run has been waiting for a worker."""
    active: Mapping[tuple[str, StatusBucket], int]
    """Queued and running runs by type and bucket."""
    unserved: int
    """Queued runs of types that no running worker knows."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a run; attempt and token exclude every earlier holder."""

    run_id: UUID
    attempt: int
    token: UUID


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Selects runs of a tenant; an empty collection does not restrict."""

    created_from: datetime
    created_until: datetime | None = None
    run_types: frozenset[str] = frozenset()
    status_buckets: frozenset[StatusBucket] = frozenset()
    initiator_ids: frozenset[UUID] = frozenset()

    def matches(self, run: OperationRun, bucket: StatusBucket | None) -> bool:
        """Return whether the run matches while it is in `bucket` (None: before it existed)."""
        return (
            bucket is not None
            and (not self.status_buckets or bucket in self.status_buckets)
            and (not self.run_types or run.run_type in self.run_types)
            and (not self.initiator_ids or run.initiator.id in self.initiator_ids)
            and run.created_at >= self.created_from
            and (self.created_until is None or run.created_at < self.created_until)
        )


@dataclass(frozen=True, slots=True)
class RunFacets:
    """The numbers of runs that match a filter.

    `by_initiator` has only the initiators with the most runs, each with the name from their
    newest run.
    """

    by_bucket: Mapping[StatusBucket, int]
    by_run_type: Mapping[str, int]
    by_initiator: Mapping[Initiator, int]


@dataclass(frozen=True, slots=True)
class StartedRun:
    """The run that a start created or reused."""

    run: OperationRun
    outcome: StartOutcome
