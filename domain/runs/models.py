"""Frozen read models of runs and everything that belongs to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.lifecycle import BucketRule, RunStatus, StatusBucket, bucket_rule
from domain.open_enum import OpenEnum
from domain.runs.failures import FailureReason
from domain.tenancy.models import Initiator


class ItemOutcome(StrEnum):
    """What became of one item of an itemized run."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunEventKind(OpenEnum):
    """The past-tense facts of a run's timeline."""

    QUEUED = "RUN_QUEUED"
    STARTED = "RUN_STARTED"
    PROGRESSED = "RUN_PROGRESSED"
    REQUEUED = "RUN_REQUEUED"
    FINISHED = "RUN_FINISHED"
    OTHER = "RUN_OTHER"


class StartOutcome(StrEnum):
    """Whether a start made a new run or met one that is still active (R6)."""

    CREATED = "CREATED"
    REUSED_ACTIVE = "REUSED_ACTIVE"


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How many items; `total` is None while unknown. They only move forward (R4)."""

    total: int | None
    succeeded: int
    failed: int
    skipped: int

    @property
    def processed(self) -> int:
        """Items with any outcome."""
        return self.succeeded + self.failed + self.skipped


@dataclass(frozen=True, slots=True)
class OperationRun:
    """One run as it was at `version`; `observed_at` is the database's clock at the reading."""

    tenant_id: UUID
    id: UUID
    resource: str
    action: str
    status: RunStatus
    counts: RunCounts
    initiator: Initiator
    subject: str
    context: Mapping[str, Any]
    attempt: int
    version: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    observed_at: datetime

    @property
    def run_type(self) -> str:
        """`resource.action` (R2)."""
        return f"{self.resource}.{self.action}"

    @property
    def _rule(self) -> BucketRule:
        return bucket_rule(self.status, succeeded=self.counts.succeeded, failed=self.counts.failed)

    @property
    def status_bucket(self) -> StatusBucket:
        """What the status and the counts mean together (R3)."""
        return self._rule.bucket

    @property
    def status_explanation(self) -> str:
        """The row of the truth table that decided the bucket, in words."""
        return self._rule.explanation

    @property
    def progress(self) -> float | None:
        """Between 0 and 1; None while the total is unknown."""
        if self.counts.total is None:
            return None
        return self.counts.processed / self.counts.total if self.counts.total else 1.0

    @property
    def queued_seconds(self) -> float:
        """From creation to the first start, or to now, or to the end of a run never started."""
        until = self.started_at or self.finished_at or self.observed_at
        return _seconds(until - self.created_at)

    @property
    def running_seconds(self) -> float | None:
        """From the first start to the end or to now; None before the first start."""
        if self.started_at is None:
            return None
        return _seconds((self.finished_at or self.observed_at) - self.started_at)

    @property
    def is_terminal(self) -> bool:
        """True when nothing about the run can change any more."""
        return self.finished_at is not None


def _seconds(span: timedelta) -> float:
    return max(span.total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One fact in the tenant's feed with the run as it was right after it.

    `seq` counts without gaps per tenant and in commit order; `run.version`
    counts without gaps per run.
    """

    seq: int
    kind: RunEventKind
    run: OperationRun
    previous_bucket: StatusBucket | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """An item for which there was nothing to do, and why; None where no producer said it."""

    run_id: UUID
    key: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """How often one reason occurs in a run, with one message as an example."""

    reason: FailureReason
    count: int
    retryable: bool
    example_message: str


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """A position in a tenant's feed: everything up to `seq` has been seen."""

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
    """The queues of all tenants at one moment."""

    outbox_entries: int
    """Entries in the outbox, due or not."""
    oldest_wait: timedelta
    """The longest time that a due run has been waiting for a worker."""
    active: Mapping[tuple[str, StatusBucket], int]
    """Queued and running runs by type and bucket."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a run: attempt and token fence off every earlier holder."""

    run_id: UUID
    attempt: int
    token: UUID


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of a tenant; empty collections do not restrict."""

    created_from: datetime
    created_until: datetime | None = None
    run_types: frozenset[str] = frozenset()
    status_buckets: frozenset[StatusBucket] = frozenset()
    initiator_ids: frozenset[UUID] = frozenset()

    def matches(self, run: OperationRun, bucket: StatusBucket | None) -> bool:
        """Return whether the list holds the run while in `bucket` (None: before it existed)."""
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
    """Counts within a filter's window; `truncated` when it holds more than were counted.

    `by_initiator` holds only the initiators with the most runs, each under the name of their
    newest run.
    """

    by_bucket: Mapping[StatusBucket, int]
    by_run_type: Mapping[str, int]
    by_initiator: Mapping[Initiator, int]
    truncated: bool


@dataclass(frozen=True, slots=True)
class StartedRun:
    """The answer to a start."""

    run: OperationRun
    outcome: StartOutcome
