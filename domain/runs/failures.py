"""The reasons why an item or a whole run failed: codes that a client can switch on (R5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why an item or a run failed.

    `code` is stable: it is never renamed or reused. `action` says what the user should do.
    `retryable` means that the next try may succeed; otherwise a person must act first.
    """

    code: str
    title: str
    action: str
    retryable: bool = False


class FailureReason(StrEnum):
    """The codes of the built-in reasons."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_YAML = "INVALID_YAML"
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
    PROVIDER_UNAUTHORIZED = "PROVIDER_UNAUTHORIZED"
    PROVIDER_NOT_CONFIGURED = "PROVIDER_NOT_CONFIGURED"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"
    POLICY_NOT_FOUND = "POLICY_NOT_FOUND"
    BASELINE_UNAVAILABLE = "BASELINE_UNAVAILABLE"
    BACKUP_SET_NOT_FOUND = "BACKUP_SET_NOT_FOUND"
    TIMEOUT = "TIMEOUT"
    QUEUE_TIMEOUT = "QUEUE_TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    INTERNAL_ERROR = "INTERNAL_ERROR"


_EXPORT_AGAIN = "Export the policies again, then sync again."
_SYNC_AGAIN = "Sync the scope again."
_START_AGAIN = "Start the run again."

BUILT_IN_REASONS = (
    Reason(FailureReason.INVALID_JSON, "The file is not JSON", _EXPORT_AGAIN),
    Reason(FailureReason.INVALID_YAML, "The file is not YAML of a policy", _EXPORT_AGAIN),
    Reason(
        FailureReason.INVALID_POLICY,
        "A required part of the policy is missing or wrong",
        _EXPORT_AGAIN,
    ),
    Reason(
        FailureReason.INCOMPLETE_POLICY,
        "The exporter marked the document as incomplete",
        _EXPORT_AGAIN,
    ),
    Reason(
        FailureReason.UNREADABLE_FILE,
        "The file or folder could not be read",
        "Check its permissions.",
    ),
    Reason(
        FailureReason.FILE_TOO_LARGE,
        "The file is too large or has too many values for a policy",
        "Move the file out of the export, or add it to the export's ignore file.",
    ),
    Reason(
        FailureReason.OUTSIDE_SCOPE,
        "A symbolic link points outside the scope's folder",
        "Replace the link with the file.",
    ),
    Reason(
        FailureReason.DUPLICATE_ID,
        "Several policies have the same id, so none of them was stored",
        "Keep one policy for each id, then sync again.",
    ),
    Reason(
        FailureReason.CHANGED_WHILE_READING, "The policy changed during the sync", _SYNC_AGAIN, True
    ),
    Reason(
        FailureReason.SCOPE_NOT_FOUND, "The provider has no such scope", "Check the scope's export."
    ),
    Reason(
        FailureReason.SCOPE_AMBIGUOUS,
        "Two folders have the scope's name in different Unicode forms",
        "Rename or remove one of the folders.",
    ),
    Reason(
        FailureReason.SCOPE_EMPTY,
        "The scope had policies before and has none now",
        "Check the export or the provider, then sync again. If the scope is meant to be empty,"
        " sync it with `allowEmpty`.",
    ),
    Reason(
        FailureReason.INVALID_IGNORE_FILE,
        "The export's ignore file cannot be used",
        "Correct the file.",
    ),
    Reason(FailureReason.PROVIDER_UNAVAILABLE, "The provider did not respond", _START_AGAIN, True),
    Reason(
        FailureReason.PROVIDER_UNAUTHORIZED,
        "The provider refused the credential or a permission is missing",
        "Ask the operator to renew the credential, or to give the app the permission.",
    ),
    Reason(
        FailureReason.PROVIDER_NOT_CONFIGURED,
        "The provider's settings or its credential cannot be used",
        "Ask the operator to correct them.",
    ),
    Reason(
        FailureReason.PROVIDER_REFUSED,
        "The provider refused to return this",
        "Look it up at the provider, then sync again.",
    ),
    Reason(FailureReason.POLICY_NOT_FOUND, "The current snapshot has no such policy", _SYNC_AGAIN),
    Reason(
        FailureReason.BASELINE_UNAVAILABLE,
        "A snapshot needed for the comparison was deleted",
        "Generate drift again.",
    ),
    Reason(
        FailureReason.BACKUP_SET_NOT_FOUND,
        "The backup set was deleted",
        "Choose another backup set.",
    ),
    Reason(FailureReason.TIMEOUT, "The run exceeded its time limit", _START_AGAIN, True),
    Reason(FailureReason.QUEUE_TIMEOUT, "No worker claimed the run in time", _START_AGAIN, True),
    Reason(
        FailureReason.WORKER_LOST,
        "The worker was lost, and the run has no attempts left",
        _START_AGAIN,
        True,
    ),
    Reason(
        FailureReason.INTERNAL_ERROR,
        "An unexpected error",
        "Start the run again. If it fails again, look up its `errorId` in the server's log.",
        True,
    ),
)


# By code; the reasons of other packages are added when their run types are loaded.
_declared: dict[str, Reason] = {reason.code: reason for reason in BUILT_IN_REASONS}


def declare_reason(reason: Reason) -> None:
    """Add a reason to the catalogue; declaring the same one again changes nothing.

    Raises:
        ValueError: the code belongs to another reason.
    """
    if _declared.setdefault(reason.code, reason) != reason:
        raise ValueError(f"The reason code {reason.code} is in use with another meaning.")


def declared_reasons() -> Sequence[Reason]:
    """Return all reasons that this process knows, sorted by code."""
    return sorted(_declared.values(), key=lambda reason: reason.code)


def reason_of(code: str) -> Reason:
    """Return the reason with this code, also if only another process knows what it means."""
    return _declared.get(code) or Reason(code, code, "Read the failure's message.")


class ProducerError(Exception):
    """A failure of one item or, if it leaves the producer, of the whole run.

    Users see the sanitized `message`: it states what to change. `names` are the names of items in
    it, such as files; sanitizing keeps them readable.
    """

    def __init__(self, reason: Reason | str, message: str, names: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reason: str = reason.code if isinstance(reason, Reason) else reason
        self.message = message
        self.names = tuple(names)


@dataclass(frozen=True, slots=True)
class RunFailure:
    """One failure of a run; `item_key` is None if the run failed as a whole."""

    run_id: UUID
    item_key: str | None
    reason: str
    message: str
    error_id: str | None
    attempt: int
    occurred_at: datetime

    @property
    def meaning(self) -> Reason:
        """What the reason's code means."""
        return reason_of(self.reason)

    @property
    def retryable(self) -> bool:
        """Whether the next try may succeed."""
        return self.meaning.retryable
