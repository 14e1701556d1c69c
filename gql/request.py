"""The request that is being served, from the transport to the resolvers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from domain.concurrency.fair_queue import Turn
from domain.log_context import log_context
from gql.documents.trusted import by_document_id
from gql.limits.slots import Slot
from gql.metrics import Telemetry

if TYPE_CHECKING:
    from gql.observation import Observation

NO_TELEMETRY = Telemetry()


@dataclass(slots=True)
class Request:
    """An HTTP request, a WebSocket, or one operation on a WebSocket.

    The transport makes it. Resolvers find it as `info.context.request`; code without a context
    calls `current_request()`.
    """

    id: str = ""
    transport: Literal["http", "sse", "websocket"] = "http"
    traceparent: str | None = None
    # A stream continues after this cursor, unless its argument `after` names another.
    last_event_id: str | None = None
    # The payload of a WebSocket's `connection_init`; Strawberry sets it. It holds the token.
    connection_params: Mapping[str, object] = field(default_factory=dict, repr=False)
    # The header of a WebSocket's handshake. A router sends the token here.
    authorization: str | None = field(default=None, repr=False)
    telemetry: Telemetry = NO_TELEMETRY
    # When a WebSocket began to open, by the monotonic clock.
    opened_at: float = float("-inf")
    # The caller, once the token is verified.
    actor_id: UUID | None = None
    # The slots that an event stream or a WebSocket holds.
    slot: Slot | None = None
    # The caller's turn to execute; it ends with the execution at the latest.
    turn: Turn | None = None
    # The measurements of the operation that is executed.
    observation: "Observation | None" = None

    def take_slot(self) -> None:
        """Take the caller's slot for a long connection.

        Raises:
            RateLimitedError: the caller has none left.
        """
        assert self.slot is not None
        assert self.actor_id is not None
        self.slot.take(self.actor_id)

    def end_turn(self) -> None:
        """Give the turn back; a second call does nothing."""
        if self.turn is not None:
            self.turn.give_back()


_current: ContextVar[Request | None] = ContextVar("request", default=None)


def current_request() -> Request:
    """Return the request that this task serves; an empty one outside of requests."""
    return _current.get() or Request()


@contextmanager
def serve(request: Request) -> Iterator[None]:
    """Make `request` the current one within the block, and log its id. Tasks inherit it."""
    token = _current.set(request)
    try:
        with log_context(request_id=request.id):
            yield
    finally:
        _current.reset(token)


@dataclass(frozen=True, slots=True)
class GraphQLParams:
    """A client's request for an operation: well-formed, but not yet parsed."""

    # None if the extensions name the document by its hash.
    query: str | None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> "GraphQLParams":
        """Read the parameters of an HTTP request or of a `subscribe` message.

        Raises:
            BadInputError, UnsupportedHashError: the document's id is malformed.
        """
        return cls(
            query=parameters.get("query"),
            variables=parameters.get("variables"),
            operation_name=parameters.get("operationName"),
            extensions=by_document_id(parameters),
        )
