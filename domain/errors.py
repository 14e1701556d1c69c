"""The errors that the domain raises.

Every error has a stable `code` and a message for the person who reads the response: it states
what to do. The edges (GraphQL, command line) map codes to their own forms, each in one place.
"""

from collections.abc import Mapping
from enum import StrEnum
from math import ceil
from typing import ClassVar
from uuid import UUID


class ErrorCode(StrEnum):
    """Stable codes of errors that the user cannot fix in a form."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    NOT_FOUND = "NOT_FOUND"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    RATE_LIMITED = "RATE_LIMITED"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    PERSISTED_QUERY_NOT_SUPPORTED = "PERSISTED_QUERY_NOT_SUPPORTED"
    DOCUMENT_NOT_REGISTERED = "DOCUMENT_NOT_REGISTERED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


class DomainError(Exception):
    """Base of every error whose message is safe to show to the caller.

    The tenant and the user that it concerns, if any, are for the audit log and not shown.
    """

    code: ClassVar[ErrorCode]
    # Structured details for programs.
    details: Mapping[str, object] = {}

    def __init__(
        self, message: str, *, tenant_id: UUID | None = None, user_id: UUID | None = None
    ) -> None:
        super().__init__(message)
        self.tenant_id = tenant_id
        self.user_id = user_id


class UnauthenticatedError(DomainError):
    """The request has no token, or its token is not valid any more."""

    code = ErrorCode.UNAUTHENTICATED


class ForbiddenError(DomainError):
    """The caller may not do this here; the error does not reveal what exists."""

    code = ErrorCode.FORBIDDEN

    def __init__(
        self, message: str = "You have no access to this tenant.", *, tenant_id: UUID | None = None
    ) -> None:
        super().__init__(message, tenant_id=tenant_id)


class BadInputError(DomainError):
    """An argument has an invalid form."""

    code = ErrorCode.BAD_USER_INPUT


class NotFoundError(DomainError):
    """The resource does not exist in the caller's tenant."""

    code = ErrorCode.NOT_FOUND


class LimitExceededError(DomainError):
    """The request is larger than it may be; ask for less."""

    code = ErrorCode.LIMIT_EXCEEDED


class RateLimitedError(DomainError):
    """Too many requests in a short time or at a time; the same request may succeed later."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after: float) -> None:
        """`retry_after` is the time to wait, in seconds."""
        super().__init__(message)
        self.retry_after = max(1, ceil(retry_after))
        self.details = {"retryAfter": self.retry_after}


class UnknownDocumentError(DomainError):
    """No document with this hash is registered; sending its text helps."""

    code = ErrorCode.PERSISTED_QUERY_NOT_FOUND
    details: Mapping[str, object] = {
        "hint": "Send the whole `query`, or have the operator register your client's build"
        " (`opsrun documents add`)."
    }

    def __init__(self) -> None:
        # urql and Apollo's clients look for exactly this text, then they send the whole document.
        super().__init__("PersistedQueryNotFound")


class UnsupportedHashError(DomainError):
    """A document is named by a hash other than SHA-256; sending its text helps."""

    code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED
    details: Mapping[str, object] = {
        "hint": "A document's hash must be a SHA-256 in lowercase hexadecimal digits. Or send the"
        " whole `query` without a hash."
    }

    def __init__(self) -> None:
        # At this text urql and Apollo's clients stop sending hashes.
        super().__init__("PersistedQueryNotSupported")


class UnregisteredDocumentError(DomainError):
    """Only registered documents run here, and this is not one of them."""

    code = ErrorCode.DOCUMENT_NOT_REGISTERED

    def __init__(self) -> None:
        super().__init__(
            "Only registered documents run here. Have the operator register your client's build"
            " (`opsrun documents add`)."
        )


class UnavailableError(DomainError):
    """The service cannot respond right now; try again in a moment."""

    code = ErrorCode.UNAVAILABLE


class UserErrorCode(StrEnum):
    """Stable codes of errors that the user can fix in a form."""

    INVALID_SCOPE_KEY = "INVALID_SCOPE_KEY"
    UNKNOWN_SCOPE = "UNKNOWN_SCOPE"
    NOT_ENOUGH_SNAPSHOTS = "NOT_ENOUGH_SNAPSHOTS"
    BACKUP_SET_NOT_FOUND = "BACKUP_SET_NOT_FOUND"
    INVALID_NAME = "INVALID_NAME"
    NAME_TAKEN = "NAME_TAKEN"
    NO_POLICIES = "NO_POLICIES"
    TOO_MANY_POLICIES = "TOO_MANY_POLICIES"
    INVALID_RETENTION = "INVALID_RETENTION"
    TOO_MANY_ACTIVE_RUNS = "TOO_MANY_ACTIVE_RUNS"


class UserInputError(Exception):
    """The user can fix this; `argument` names the use case's parameter with the wrong value."""

    def __init__(self, code: UserErrorCode, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
