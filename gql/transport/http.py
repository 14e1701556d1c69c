"""The GraphQL endpoint: HTTP, server-sent events and sockets at one path."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.types.unset import UnsetType

from domain.concurrency.fair_queue import Turn
from domain.errors import UnavailableError
from gql.errors import MUTATION_MESSAGE, error_body, public_error
from gql.execution import OpsrunSchema
from gql.serving import Serving, Telemetry, serve, serving
from gql.transport.connections import OpenConnections
from gql.transport.contexts import ContextFactory, in_turn, opened, request_id_of, seated
from gql.transport.negotiation import MediaType, acceptable, json_type
from gql.transport.requests import (
    GraphQLRequest,
    UnusableRequestError,
    is_from_address_bar,
    parse_request,
    read_body,
)
from gql.transport.responses import STATUS, body_of, json_response, status_of
from gql.transport.results import ResultStream
from gql.transport.slots import Slots
from gql.transport.sse import EventStream
from gql.transport.websocket import (
    CLOSE_UNRESPONSIVE,
    SocketAdapter,
    SocketHandler,
    SocketSession,
    close_socket,
)

# Seconds in which a stream may still fail with an HTTP status; then its answer begins.
FIRST_RESULT_TIMEOUT = 0.5


class _StoppingError(Exception):
    """A socket was opened while the server closes all of them."""


class GraphQLView(GraphQL[SocketSession, None]):
    """Serves `schema` as an ASGI application; route both HTTP and sockets to it.

    Args:
        schema: what is served.
        context_factory: makes each operation's context from the client's token.
        allowed_origins: origins, besides our own, whose pages may open a socket.
        body_limit: the most bytes a request body may have.
        graphiql_path: where a person is sent who opens the endpoint in a browser.
        slots: how many sockets and streams may be open.
        operations_per_socket: how many may run at a time.
        telemetry: where metrics and traces go.
    """

    schema: OpsrunSchema
    websocket_adapter_class = SocketAdapter
    graphql_transport_ws_handler_class = SocketHandler

    def __init__(
        self,
        schema: OpsrunSchema,
        *,
        context_factory: ContextFactory,
        allowed_origins: Sequence[str] = (),
        body_limit: int = 256 * 1024,
        graphiql_path: str | None = None,
        slots: Slots | None = None,
        operations_per_socket: int = 100,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=10),
            allowed_origins=allowed_origins,
        )
        self.max_subscriptions_per_connection = operations_per_socket
        self._context_factory = context_factory
        self._body_limit = body_limit
        self._graphiql_path = graphiql_path
        self._connections = OpenConnections()
        self._slots = slots or Slots(per_user=sys.maxsize, per_tenant=sys.maxsize)
        self._telemetry = telemetry or Telemetry()

    async def close_sockets(self, code: int = 1012, *, spread: float = 0.0) -> None:
        """End all sockets, with `code`, and all event streams, so that the server can stop.

        They end one after the other within `spread` seconds; from now on no new ones begin.
        """
        await self._connections.close(code, spread)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one socket."""
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            socket.state.request_id = request_id_of(socket.headers)
            with serve(Serving(self._telemetry, "websocket"), socket.state.request_id):
                await self._connections.serve(self._serve_socket(socket))
            return
        request = Request(scope, receive)
        request.state.request_id = request_id_of(request.headers)
        served = Serving(self._telemetry, traceparent=request.headers.get("traceparent"))
        with suppress(ClientDisconnect), serve(served, request.state.request_id):
            try:
                response = await self._respond(request)
            except asyncio.CancelledError:
                # The server stops, and has waited for as long as it may.
                response = _stopping()
            response.headers["X-Request-Id"] = request.state.request_id
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        error_type = MediaType.JSON
        try:
            if request.method not in ("GET", "POST"):
                raise UnusableRequestError(405, "Use GET or POST.", {"Allow": "GET, POST"})
            if self._graphiql_path is not None and is_from_address_bar(request):
                return RedirectResponse(self._graphiql_path)
            media_types = acceptable(", ".join(request.headers.getlist("accept")))
            if not media_types:
                raise UnusableRequestError(406, f"Accept one of {', '.join(MediaType)}.")
            error_type = json_type(media_types)
            return await self._answer(request, media_types)
        except UnusableRequestError as error:
            return json_response(error_body(error), error.status, error_type, error.headers)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the last place where it can be answered
            shown = public_error(error)
            status = STATUS[shown.code]
            return json_response(error_body(shown), status, error_type)

    async def _answer(self, request: Request, media_types: list[MediaType]) -> Response:
        context = await opened(
            self._context_factory.for_http(request.headers.get("authorization")),
            request_id=request.state.request_id,
            transport="sse" if media_types[0] is MediaType.EVENT_STREAM else "http",
            last_event_id=request.headers.get("last-event-id"),
        )
        body = await read_body(request, self._body_limit)
        turn = self.schema.turn_of(getattr(context, "actor_id", None))
        response: Response | None = None
        try:
            await in_turn(context, turn)
            asked = parse_request(request, body)
            response = await self._execute(request, asked, context, turn, media_types)
            return response
        finally:
            # A stream gives it back itself, once it is executed.
            if not isinstance(response, EventStream):
                turn.give_back()

    async def _execute(
        self,
        request: Request,
        asked: GraphQLRequest,
        context: object,
        turn: Turn,
        media_types: list[MediaType],
    ) -> Response:
        if media_types[0] is MediaType.EVENT_STREAM:
            streamed = _operation_types(request.method) | {OperationType.SUBSCRIPTION}
            return await self._stream(asked, context, turn, streamed)
        try:
            result = await self.schema.execute(
                **asked.arguments(),
                context_value=context,
                allowed_operation_types=_operation_types(request.method),
            )
        except CannotGetOperationTypeError as error:
            raise UnusableRequestError(400, error.as_http_error_reason()) from None
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise UnusableRequestError(405, MUTATION_MESSAGE, {"Allow": "POST"}) from None
            if MediaType.EVENT_STREAM in media_types:
                return await self._stream(asked, context, turn, {OperationType.SUBSCRIPTION})
            raise UnusableRequestError(
                406,
                f"A subscription is streamed: accept {MediaType.EVENT_STREAM}, or use a socket.",
            ) from None
        status = status_of(result, media_types[0])
        return json_response(body_of(result), status, media_types[0])

    async def _stream(
        self,
        asked: GraphQLRequest,
        context: object,
        turn: Turn,
        allowed: set[OperationType],
    ) -> Response:
        serving().transport = "sse"
        slot = self._slots.new()
        seated(context, slot)

        def leave() -> None:
            slot.give_back()
            turn.give_back()

        results = ResultStream(
            await self.schema.stream(
                **asked.arguments(),
                context_value=context,
                allowed_operation_types=allowed,
            ),
            at_end=leave,
        )
        try:
            first = await results.peek(FIRST_RESULT_TIMEOUT)
        except asyncio.CancelledError:
            await results.aclose()
            raise
        if self._connections.close_code is not None:
            await results.aclose()
            return _stopping()
        status = 200 if first is None else status_of(first, MediaType.GRAPHQL_RESPONSE)
        if first is None or status == 200:
            return EventStream(results, self._connections)
        await results.aclose()
        if _is_refused_mutation(first):
            return json_response(body_of(first), 405, MediaType.JSON, {"Allow": "POST"})
        return json_response(body_of(first), status, MediaType.JSON)

    async def _serve_socket(self, socket: WebSocket) -> None:
        socket.state.slot = self._slots.new()
        try:
            await self.run(socket)
        except (asyncio.CancelledError, _StoppingError):
            if (code := self._connections.close_code) is not None:
                await close_socket(socket, code, "Service Restart")
            else:
                await close_socket(socket, CLOSE_UNRESPONSIVE, "The client does not read")
        finally:
            socket.state.slot.give_back()

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> SocketSession:
        """Return what the operations of a socket share; requests over HTTP do not come here."""
        if self._connections.close_code is not None:
            # Only now, for a handshake that is refused could not tell the code.
            raise _StoppingError
        state = request.state
        return SocketSession(self._context_factory, state.request_id, state.slot)

    async def create_websocket_response(
        self, request: WebSocket, subprotocol: str | None
    ) -> WebSocket:
        """Accept the handshake."""
        headers = [(b"x-request-id", request.state.request_id.encode())]
        await request.accept(subprotocol, headers)
        return request

    async def on_ws_connect(self, context: SocketSession) -> UnsetType:
        """Let a signed-in client in.

        Raises:
            ConnectionRejectionError: closes the socket with 4403.
        """
        await context.admit()
        return UnsetType()

    def encode_json(self, data: object) -> bytes:
        """Return `data` as JSON."""
        return orjson.dumps(data)

    def decode_json(self, data: str | bytes) -> object:
        """Return the value of a JSON text."""
        return orjson.loads(data)


def _stopping() -> Response:
    error = UnavailableError("The server is stopping: try again.")
    return json_response(error_body(error), 503, MediaType.JSON)


def _operation_types(method: str) -> set[OperationType]:
    # A GET must not change anything, since a mere link makes one.
    queries = {OperationType.QUERY}
    return queries if method == "GET" else queries | {OperationType.MUTATION}


def _is_refused_mutation(result: ExecutionResult) -> bool:
    causes = (error.original_error for error in result.errors or ())
    return any(isinstance(cause, InvalidOperationTypeError) for cause in causes)
