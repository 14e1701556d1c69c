"""The errors that the domain raises.

Every error has a stable `code`, and a message that tells the user what to do. GraphQL and the
command line each map the codes in one place.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import ceil
from typing import ClassVar, NamedTuple
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

    `tenant_id` is for the audit log; the caller does not see it.
    """

    code: ClassVar[ErrorCode]
    # Structured details for programs.
    details: Mapping[str, object] = {}

    def __init__(self, message: str, *, tenant_id: UUID | None = None) -> None:
        super().__init__(message)
        self.tenant_id = tenant_id


class UnauthenticatedError(DomainError):
    """The request has no token, or its token is not valid."""

    code = ErrorCode.UNAUTHENTICATED


class ForbiddenError(DomainError):
    """The caller may not do this; the error does not reveal what exists."""

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
    """The request exceeds a limit on its size."""

    code = ErrorCode.LIMIT_EXCEEDED


class RateLimitedError(DomainError):
    """The caller sends too many requests; the same request may succeed later."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, retry_after: float) -> None:
        """`retry_after` is the time to wait, in seconds."""
        super().__init__(message)
        self.retry_after = max(1, ceil(retry_after))
        self.details = {"retryAfter": self.retry_after}


class UnknownDocumentError(DomainError):
    """No document with this hash is registered; the client can send the text instead."""

    code = ErrorCode.PERSISTED_QUERY_NOT_FOUND
    details: Mapping[str, object] = {
        "hint": "Send the whole `query`, or have the operator register your client's build"
        " (`opsrun documents add`)."
    }

    def __init__(self) -> None:
        # On exactly this text, urql and Apollo Client send the whole document.
        super().__init__("PersistedQueryNotFound")


class UnsupportedHashError(DomainError):
    """A hash is not a SHA-256; the client can send the text instead."""

    code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED
    details: Mapping[str, object] = {
        "hint": "A document's hash must be a SHA-256 in lowercase hexadecimal digits. Or send the"
        " whole `query` without a hash."
    }

    def __init__(self) -> None:
        # On exactly this text, urql and Apollo Client stop sending hashes.
        super().__init__("PersistedQueryNotSupported")


class UnregisteredDocumentError(DomainError):
    """The server runs only registered documents, and this one is not registered."""

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
    UNKNOWN_RUN_TYPE = "UNKNOWN_RUN_TYPE"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GRAPH_REQUIRED = "GRAPH_REQUIRED"


class UserInputError(Exception):
    """The user can fix this; `argument` names the parameter of the use case that is wrong."""

    def __init__(self, code: UserErrorCode, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument


class ContextProblem(NamedTuple):
    """What is wrong with the value at a path of a context."""

    path: tuple[str, ...]
    message: str


class DeclarationError(Exception):
    """What an installed package declares is not valid; the message names the package."""


class InvalidContextError(Exception):
    """The parameters of a start are not valid; the user can fix all `problems`."""

    def __init__(self, problems: Sequence[ContextProblem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
