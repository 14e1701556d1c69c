"""What users learn about the runs they started (P4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class NotificationOutcome(StrEnum):
    """The news: a run is queued, or how it ended."""

    QUEUED = "QUEUED"
    SUCCEEDED = "SUCCEEDED"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one user about one outcome of one run; `seq` is its place in the feed."""

    tenant_id: UUID
    id: UUID
    recipient_id: UUID
    run_id: UUID
    seq: int
    outcome: NotificationOutcome
    created_at: datetime
    read_at: datetime | None
