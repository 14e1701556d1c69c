"""The parts of a run: counts, initiator, failures, skipped items and events.

A type without `of` describes an object of the domain as it is: its fields are that object's
attributes.
"""

from datetime import datetime
from typing import cast
from uuid import UUID

import strawberry
from strawberry import field

from domain.lifecycle import StatusBucket
from domain.runs import models
from domain.runs.models import RunEventKind
from domain.tenancy import models as tenancy
from domain.tenancy.models import InitiatorKind
from gql.ids import encode_id
from gql.runs.run_types import FailureReason
from gql.selection import reads_from


@strawberry.type(description="The number of a run's items by outcome.")
class RunCounts:
    total: int | None = field(description="The number of all items; null while unknown.")
    processed: int = field(description="The number of items with any outcome.")
    succeeded: int = field(description="The number of items that succeeded.")
    failed: int = field(description="The number of items that failed.")
    skipped: int = field(description="The number of items for which there was nothing to do.")


@strawberry.type(description="Who started a run, with the name they had at that time.")
class Initiator:
    actor_id: strawberry.ID = field(description="Pass it in the filter's `initiatorIds`.")
    kind: InitiatorKind = field(description="Whether a person, a service or the system started it.")
    name: str = field(description="The display name.")

    @staticmethod
    def of(initiator: tenancy.Initiator, tenant_id: UUID) -> "Initiator":
        """Return the initiator with an id for the filter of this tenant."""
        return _Initiator(initiator, tenant_id)


@reads_from("model")
class _Initiator(Initiator):
    def __init__(self, model: tenancy.Initiator, tenant_id: UUID) -> None:
        self.model = model
        self._tenant_id = tenant_id

    @property
    def actor_id(self) -> strawberry.ID:  # type: ignore[override]  # GraphQL only reads it
        return encode_id("Initiator", self._tenant_id, self.model.id.hex)


@strawberry.type(description="The failure of an item, or of the run as a whole.")
class RunFailure:
    item_key: str | None = field(
        description="The key of the item; null if the run failed as a whole."
    )
    reason: str = field(
        name="reasonCode", description="A stable code to switch on; see `failureReasons`."
    )
    meaning: FailureReason = field(name="reason", description="What the code means.")
    message: str = field(
        description="What went wrong. Contains no secrets and can be shown to users."
    )
    retryable: bool = field(description="Whether starting the run again may help.")
    error_id: str | None = field(description="Identifies the full trace in the server's log.")
    attempt: int = field(description="The attempt in which it failed.")
    occurred_at: datetime = field(description="When it happened.")


@strawberry.type(description="The number of a run's failures with one reason.")
class RunFailureGroup:
    reason: str = field(
        name="reasonCode", description="The reason's stable code; see `failureReasons`."
    )
    meaning: FailureReason = field(name="reason", description="What the code means.")
    count: int = field(description="The number of failures with this reason.")
    retryable: bool = field(description="Whether starting the run again may help.")
    example_message: str = field(description="The message of one of these failures.")


@strawberry.type(description="An item for which there was nothing to do.")
class SkippedItem:
    key: str = field(name="itemKey", description="The key of the item.")
    reason: str | None = field(
        description="Why it was skipped; null if an older version of Opsrun did not record the"
        " reason."
    )


@strawberry.type(description="One event of a run.")
class RunEvent:
    kind: RunEventKind = field(description="What happened.")
    version: int = field(description="The run's version immediately after the event.")
    status_bucket: StatusBucket = field(
        description="The status bucket immediately after the event."
    )
    counts: RunCounts = field(description="The counts immediately after the event.")
    attempt: int = field(description="The attempt that the event belongs to.")
    occurred_at: datetime = field(description="When it happened.")

    @classmethod
    def of(cls, event: models.RunEvent) -> "RunEvent":
        return cls(
            kind=event.kind,
            version=event.run.version,
            status_bucket=event.run.status_bucket,
            counts=cast("RunCounts", event.run.counts),
            attempt=event.run.attempt,
            occurred_at=event.occurred_at,
        )
