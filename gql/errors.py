"""The one place where errors become GraphQL errors.

A `DomainError` keeps its message and its code. A fault of the document or its
variables keeps graphql-core's message under `BAD_USER_INPUT`. Everything else is
`INTERNAL`: the answer carries an error id and nothing else, the trace goes to the
log under that id. A database that is away for a while is `UNAVAILABLE`: try again.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol
from uuid import UUID, uuid4

from graphql import GraphQLError, ValueNode
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from domain.errors import DomainError, ErrorCode
from domain.tenancy.transactions import DatabaseUnavailableError, PoolBusyError
from gql.serving import serving

logger = logging.getLogger("gql")

INTERNAL_MESSAGE = "Something went wrong on our side. Quote the errorId to support."
MUTATION_MESSAGE = "Send mutations by POST."
UNAVAILABLE_MESSAGE = "The service cannot reach its database just now. Try again in a moment."
BUSY_MESSAGE = "All database connections of the service are in use. Try again in a moment."

# Characters. graphql-core quotes whole values of the client's.
LONGEST_MESSAGE = 500

# Strawberry raises these for a request without a query, or whose operation cannot be run.
_REQUEST_ERRORS = (MissingQueryError, CannotGetOperationTypeError)

# How graphql-core quotes an exception of a scalar's parser. Greedy, so that no quote in the
# exception's text can keep a part of it.
_QUOTED_EXCEPTION = re.compile(r", but encountered error '.*'; found: ", re.DOTALL)


class PublicError(GraphQLError):
    """A GraphQL error that may leave the server as it is."""

    # What it is about, for the audit log; it does not leave the server.
    tenant_id: UUID | None = None

    @property
    def code(self) -> ErrorCode:
        """The stable code that clients switch on."""
        return ErrorCode((self.extensions or {})["code"])


def public_error(error: Exception) -> PublicError:
    """Return the form of `error` that may be shown; an unexpected one is logged here."""
    return public_errors([error])[0]


def public_errors(errors: Iterable[Exception]) -> list[PublicError]:
    """Return the forms of the errors of one result that may be shown.

    Unexpected errors are logged, each cause once: a failed batch that many fields
    waited for has one trace and one error id. Each code is counted once. Errors that
    were mapped before are returned as they are.
    """
    error_ids: dict[int, str] = {}
    given = list(errors)
    shown = [_public(error, error_ids) for error in given]
    serving().refused(new.code for new, old in zip(shown, given, strict=True) if new is not old)
    return shown


def error_body(error: Exception) -> dict[str, object]:
    """Return a whole GraphQL response, without `data`, for a request that failed with `error`."""
    return {"errors": [public_error(error).formatted]}


class Result(Protocol):
    """What all kinds of results have in common here."""

    errors: list[GraphQLError] | None


def map_errors(result: Result) -> list[PublicError]:
    """Replace the errors of `result` by their public forms, and return those."""
    shown = public_errors(result.errors or [])
    if shown:
        result.errors = [*shown]
    return shown


class ErrorMapping(SchemaExtension):
    """Puts the public form of its errors into the result of a query or mutation."""

    def on_operation(self) -> Iterator[None]:
        """Map it once it is there."""
        yield
        if self.execution_context.result is not None:
            map_errors(self.execution_context.result)


def _public(error: Exception, error_ids: dict[int, str]) -> PublicError:
    if isinstance(error, PublicError):
        return error
    cause = _root_cause(error)
    if isinstance(cause, DomainError):
        shown = _located(error, str(cause), {"code": cause.code.value, **cause.details})
        shown.tenant_id = cause.tenant_id
        return shown
    if isinstance(cause, PoolBusyError):
        logger.warning("The database pool is exhausted: %s", cause)
        return _located(error, BUSY_MESSAGE, {"code": ErrorCode.UNAVAILABLE.value})
    if isinstance(cause, DatabaseUnavailableError):
        logger.warning("The database is away: %s", cause)
        return _located(error, UNAVAILABLE_MESSAGE, {"code": ErrorCode.UNAVAILABLE.value})
    if isinstance(cause, InvalidOperationTypeError):
        # Of a stream: only a mutation in a URL is refused so. The transport has a status for it.
        shown = _located(error, MUTATION_MESSAGE, {"code": ErrorCode.BAD_USER_INPUT.value})
        shown.original_error = cause
        return shown
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
    if isinstance(cause, _REQUEST_ERRORS):
        return True
    is_of_parser = bool(error.nodes) and _QUOTED_EXCEPTION.search(error.message)
    if not isinstance(cause, GraphQLError) and not is_of_parser:
        return False
    # While fields run, only an argument's value is the client's: a GraphQLError about the field
    # itself tells of a value of ours that does not fit the schema, and quotes it.
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
