"""The reasons why an item or a whole run failed: codes that a client can switch on (R5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.open_enum import OpenEnum


class FailureReason(OpenEnum):
    """Stable reason codes. A member is never renamed or reused."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_POLICY = "INVALID_POLICY"
    INCOMPLETE_POLICY = "INCOMPLETE_POLICY"
    UNREADABLE_FILE = "UNREADABLE_FILE"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    OUTSIDE_SCOPE = "OUTSIDE_SCOPE"
    DUPLICATE_ID = "DUPLICATE_ID"
    CHANGED_WHILE_READING = "CHANGED_WHILE_READING"
    SCOPE_NOT_FOUND = "SCOPE_NOT_FOUND"
    SCOPE_AMBIGUOUS = "SCOPE_AMBIGUOUS"
    SCOPE_EMPTY = "SCOPE_EMPTY"
    INVALID_IGNORE_FILE = "INVALID_IGNORE_FILE"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    POLICY_NOT_FOUND = "POLICY_NOT_FOUND"
    BASELINE_UNAVAILABLE = "BASELINE_UNAVAILABLE"
    BACKUP_SET_NOT_FOUND = "BACKUP_SET_NOT_FOUND"
    TIMEOUT = "TIMEOUT"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    OTHER = "OTHER"


# The next try may succeed; for every other reason, a person must act first.
RETRYABLE: frozenset[FailureReason] = frozenset(
    {
        FailureReason.CHANGED_WHILE_READING,
        FailureReason.PROVIDER_UNAVAILABLE,
        FailureReason.TIMEOUT,
        FailureReason.QUEUE_TIMEOUT,
        FailureReason.WORKER_LOST,
        FailureReason.INTERNAL_ERROR,
    }
)


class ProducerError(Exception):
    """A failure of one item or, if it leaves the producer, of the whole run.

    Users see the sanitized `message`: it states what to change. `names` are the names of items in
    it, such as files; sanitizing keeps them readable.
    """

    def __init__(self, reason: FailureReason, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """One failure of a run; `item_key` is None if the run failed as a whole."""

    run_id: UUID
    item_key: str | None
    reason: FailureReason
    message: str
    retryable: bool
    error_id: str | None
    attempt: int
    occurred_at: datetime
