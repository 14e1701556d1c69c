"""Notifications of users about the runs that they started (P4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class NotificationOutcome(StrEnum):
    """A run was queued, or it ended in this bucket."""

    QUEUED = "QUEUED"
    SUCCEEDED = "SUCCEEDED"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Notification:
    """A message to a user about a run; `seq` is the number of the run's event in the feed."""

    tenant_id: UUID
    id: UUID
    recipient_id: UUID
    run_id: UUID
    seq: int
    outcome: NotificationOutcome
    created_at: datetime
    read_at: datetime | None
