"""The types of what hangs off a run: counts, initiator, failures, skipped items, timeline."""

from datetime import datetime
from uuid import UUID

import strawberry

from domain.lifecycle import StatusBucket
from domain.runs import failures, models
from domain.runs.failures import FailureReason
from domain.runs.models import RunEventKind
from domain.tenancy import models as tenancy
from gql.enums import InitiatorKind
from gql.ids import GlobalId


@strawberry.type(description="How many items a run has, and what became of them.")
class RunCounts:
    total: int | None = strawberry.field(description="All items; null while unknown.")
    processed: int = strawberry.field(description="Items with an outcome, whichever.")
    succeeded: int = strawberry.field(description="Items that succeeded.")
    failed: int = strawberry.field(description="Items that failed.")
    skipped: int = strawberry.field(description="Items for which there was nothing to do.")

    @classmethod
    def of(cls, counts: models.RunCounts) -> "RunCounts":
        """Return the GraphQL form of the counts."""
        return cls(
            total=counts.total,
            processed=counts.processed,
            succeeded=counts.succeeded,
            failed=counts.failed,
            skipped=counts.skipped,
        )


@strawberry.type(description="Who started a run, under the name they had then.")
class Initiator:
    actor_id: strawberry.ID = strawberry.field(description="For the filter `initiatorIds`.")
    kind: InitiatorKind = strawberry.field(description="A person or the product itself.")
    name: str = strawberry.field(description="The display name.")

    @classmethod
    def of(cls, initiator: tenancy.Initiator, tenant_id: UUID) -> "Initiator":
        """Return the initiator with an id for the filter of this tenant."""
        return cls(
            actor_id=GlobalId("Initiator", tenant_id, initiator.id.hex).encode(),
            kind=InitiatorKind.SYSTEM if initiator.is_system else InitiatorKind.USER,
            name=initiator.name,
        )


@strawberry.type(description="One failure: of an item, or of the run as a whole.")
class RunFailure:
    item_key: str | None = strawberry.field(
        description="The item; null when the run failed as a whole."
    )
    reason_code: FailureReason = strawberry.field(description="A stable code to switch on.")
    message: str = strawberry.field(description="What went wrong, safe to show.")
    retryable: bool = strawberry.field(description="Whether starting again may help.")
    error_id: str | None = strawberry.field(description="Finds the full trace in the server's log.")
    attempt: int = strawberry.field(description="The attempt that met the failure.")
    occurred_at: datetime = strawberry.field(description="When.")

    @classmethod
    def of(cls, failure: failures.RunFailure) -> "RunFailure":
        """Return the GraphQL form of the failure."""
        return cls(
            item_key=failure.item_key,
            reason_code=failure.reason,
            message=failure.message,
            retryable=failure.retryable,
            error_id=failure.error_id,
            attempt=failure.attempt,
            occurred_at=failure.occurred_at,
        )


@strawberry.type(description="How often one reason occurs among a run's failures.")
class RunFailureGroup:
    reason_code: FailureReason = strawberry.field(description="The reason.")
    count: int = strawberry.field(description="How many failures have it.")
    retryable: bool = strawberry.field(description="Whether starting again may help.")
    example_message: str = strawberry.field(description="One of their messages.")


@strawberry.type(description="One item for which there was nothing to do.")
class SkippedItem:
    item_key: str = strawberry.field(description="The item.")
    reason: str | None = strawberry.field(
        description="Why it was skipped; null for runs of versions that did not record it."
    )


@strawberry.type(description="One fact of a run's timeline.")
class RunEvent:
    kind: RunEventKind = strawberry.field(description="What happened.")
    version: int = strawberry.field(description="The run's version right after.")
    status_bucket: StatusBucket = strawberry.field(description="The bucket right after.")
    counts: RunCounts = strawberry.field(description="The counts right after.")
    attempt: int = strawberry.field(description="The attempt it belongs to.")
    occurred_at: datetime = strawberry.field(description="When.")

    @classmethod
    def of(cls, event: models.RunEvent) -> "RunEvent":
        """Return the GraphQL form of the event."""
        return cls(
            kind=event.kind,
            version=event.run.version,
            status_bucket=event.run.status_bucket,
            counts=RunCounts.of(event.run.counts),
            attempt=event.run.attempt,
            occurred_at=event.occurred_at,
        )
