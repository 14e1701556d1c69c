"""The one place where errors become GraphQL errors.

- A `DomainError` keeps its message and its code.
- An error of the document or its variables keeps graphql-core's message, with the code
  `BAD_USER_INPUT`.
- A database that cannot be reached is `UNAVAILABLE`: the client may try again.
- Every other error is `INTERNAL`. The client gets an error id only; the trace is logged with it.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

from graphql import GraphQLError, ValueNode

from domain.errors import DomainError, ErrorCode
from domain.tenancy.session import DatabaseUnavailableError
from domain.tenancy.transactions import PoolBusyError
from gql.request import current_request

logger = logging.getLogger("gql")

INTERNAL_MESSAGE = "Something went wrong on our side. Quote the errorId to support."
UNAVAILABLE_MESSAGE = "The service cannot reach its database at the moment. Try again in a moment."
BUSY_MESSAGE = "All database connections of the service are in use. Try again in a moment."

# Characters. graphql-core quotes whole values that the client sent.
LONGEST_MESSAGE = 500

# How graphql-core quotes an exception of a scalar's parser. Greedy, so that a quotation mark in
# the exception's text cannot keep a part of it.
_QUOTED_EXCEPTION = re.compile(r", but encountered error '.*'; found: ", re.DOTALL)


class InvalidOperationError(Exception):
    """The document or its variables are not valid; `errors` has one for each reason."""

    def __init__(self, errors: Iterable[GraphQLError]) -> None:
        super().__init__()
        self.errors = [*errors]


class PublicError(GraphQLError):
    """A GraphQL error that is safe to send to a client."""

    # The tenant that it is about, for the audit log only.
    tenant_id: UUID | None = None

    @property
    def code(self) -> ErrorCode:
        """The stable code that clients switch on."""
        return ErrorCode((self.extensions or {})["code"])


def public_error(error: Exception) -> PublicError:
    """Return the public form of `error`; an unexpected error is logged here."""
    return public_errors([error])[0]


def public_errors(errors: Iterable[Exception]) -> list[PublicError]:
    """Return the public forms of the errors of one result.

    An unexpected cause is logged once: a failed batch that many fields waited for has one trace
    and one error id. Each code is counted once. Public errors are returned as they are.
    """
    error_ids: dict[int, str] = {}
    originals = list(errors)
    public = [_public(error, error_ids) for error in originals]
    counter = current_request().telemetry.metrics.errors
    for code in {new.code for new, old in zip(public, originals, strict=True) if new is not old}:
        counter.labels(code.value).inc()
    return public


def error_body(error: Exception) -> dict[str, object]:
    """Return a GraphQL response without `data` for a request that failed with `error`."""
    return {"errors": [public_error(error).formatted]}


def _public(error: Exception, error_ids: dict[int, str]) -> PublicError:
    if isinstance(error, PublicError):
        return error
    cause = _root_cause(error)
    if isinstance(cause, DomainError):
        public = _located(error, str(cause), {"code": cause.code.value, **cause.details})
        public.tenant_id = cause.tenant_id
        public.original_error = cause
        return public
    if isinstance(cause, PoolBusyError):
        logger.warning("The database pool is exhausted: %s", cause)
        return _located(error, BUSY_MESSAGE, {"code": ErrorCode.UNAVAILABLE.value})
    if isinstance(cause, DatabaseUnavailableError):
        logger.warning("The database is unavailable: %s", cause)
        return _located(error, UNAVAILABLE_MESSAGE, {"code": ErrorCode.UNAVAILABLE.value})
    if isinstance(error, GraphQLError) and _is_fault_of_request(error, cause):
        message = _QUOTED_EXCEPTION.sub(", found: ", error.message)
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]} …"
        return _located(error, message, {"code": ErrorCode.BAD_USER_INPUT.value})
    if id(cause) not in error_ids:
        error_ids[id(cause)] = _report(cause)
    extensions = {"code": ErrorCode.INTERNAL.value, "errorId": error_ids[id(cause)]}
    return _located(error, INTERNAL_MESSAGE, extensions)


def _root_cause(error: Exception) -> Exception:
    while isinstance(error, GraphQLError) and error.original_error is not None:
        error = error.original_error
    return error


def _is_fault_of_request(error: GraphQLError, cause: Exception) -> bool:
    is_of_parser = bool(error.nodes) and _QUOTED_EXCEPTION.search(error.message)
    if not isinstance(cause, GraphQLError) and not is_of_parser:
        return False
    # While fields are executed, only an argument's value comes from the client. A GraphQLError
    # about the field itself quotes a value of the server that does not fit the schema.
    return error.path is None or any(isinstance(node, ValueNode) for node in error.nodes or ())


def _located(error: Exception, message: str, extensions: Mapping[str, object]) -> PublicError:
    if not isinstance(error, GraphQLError):
        return PublicError(message, extensions=dict(extensions))
    return PublicError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=dict(extensions),
    )


def _report(cause: Exception) -> str:
    error_id = uuid4().hex
    logger.error("Unexpected error", exc_info=cause, extra={"error_id": error_id})
    return error_id
