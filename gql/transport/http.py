"""The GraphQL endpoint: HTTP, server-sent events and WebSockets at one path."""

import asyncio
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from time import monotonic

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UnsetType

from domain.errors import UnavailableError
from gql.audit import audit_refusals
from gql.context import Context
from gql.documents.validation import OperationTypeError, UnknownOperationError
from gql.errors import error_body, public_error
from gql.execution import Operations
from gql.limits.slots import Slot, Slots
from gql.limits.turns import require_patience
from gql.metrics import Telemetry
from gql.request import NO_TELEMETRY, GraphQLParams, Request, current_request, serve
from gql.transport.connections import OpenConnections
from gql.transport.contexts import Contexts
from gql.transport.graphiql import GRAPHIQL_PATH
from gql.transport.negotiation import MediaType, acceptable, json_type
from gql.transport.requests import (
    UnusableRequestError,
    is_from_address_bar,
    parse_request,
    read_body,
    request_id,
)
from gql.transport.responses import STATUS, body_of, json_response, status_of
from gql.transport.sse import EventStream
from gql.transport.websocket import (
    CLOSE_UNRESPONSIVE,
    WebSocketAdapter,
    WebSocketHandler,
    close_websocket,
)

# Seconds in which a stream may still fail with an HTTP status; then the response begins.
FIRST_RESULT_TIMEOUT = 0.5


class _StoppingError(Exception):
    """A WebSocket was opened while the server is closing all of them."""


class GraphQLView(GraphQL[Request, None]):
    """Serves a schema as an ASGI application; route both HTTP and WebSockets to it.

    Args:
        operations: executes the operations.
        contexts: makes each operation's context from the client's token.
        allowed_origins: other origins whose pages may open a WebSocket.
        slots: how many WebSockets and event streams may be open.
        operations_per_websocket: how many may run on one WebSocket at a time.
        telemetry: where metrics and traces go.
    """

    websocket_adapter_class = WebSocketAdapter
    graphql_transport_ws_handler_class = WebSocketHandler

    def __init__(
        self,
        operations: Operations,
        contexts: Contexts,
        *,
        allowed_origins: Sequence[str] = (),
        slots: Slots | None = None,
        operations_per_websocket: int = 100,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        super().__init__(
            operations.schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=10),
            allowed_origins=allowed_origins,
        )
        self.operations = operations
        self.contexts = contexts
        self.slots = slots or Slots(per_user=sys.maxsize, per_tenant=sys.maxsize)
        self.max_subscriptions_per_connection = operations_per_websocket
        self._connections = OpenConnections()
        self._telemetry = telemetry

    async def close_connections(self, code: int = 1012, *, spread: float = 0.0) -> None:
        """End all WebSockets, with `code`, and all event streams, so that the server can stop.

        They end within `spread` seconds, and new ones are refused from now on.
        """
        await self._connections.close(code, spread)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or one WebSocket."""
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, send)
            slot, headers = self.slots.new(), websocket.headers
            request = Request(
                request_id(headers),
                "websocket",
                telemetry=self._telemetry,
                slot=slot,
                authorization=headers.get("authorization"),
            )
            with serve(request):
                await self._connections.serve(self._serve_websocket(websocket, slot))
            return
        http = HttpRequest(scope, receive)
        request = Request(
            request_id(http.headers),
            traceparent=http.headers.get("traceparent"),
            last_event_id=http.headers.get("last-event-id"),
            telemetry=self._telemetry,
        )
        with suppress(ClientDisconnect), serve(request):
            try:
                response = await self._respond(http, request)
            except asyncio.CancelledError:
                # The server is stopping, and its grace period is over.
                response = _stopping()
            response.headers["X-Request-Id"] = request.id
            await response(scope, receive, send)

    async def _respond(self, http: HttpRequest, request: Request) -> Response:
        error_type = MediaType.JSON
        try:
            if http.method not in ("GET", "POST"):
                raise UnusableRequestError(405, "Use GET or POST.", {"Allow": "GET, POST"})
            if is_from_address_bar(http):
                return RedirectResponse(GRAPHIQL_PATH)
            media_types = acceptable(", ".join(http.headers.getlist("accept")))
            if not media_types:
                raise UnusableRequestError(406, f"Accept one of {', '.join(MediaType)}.")
            error_type = json_type(media_types)
            return await self._answer(http, request, media_types)
        except UnusableRequestError as error:
            return json_response(error_body(error), error.status, error_type, error.headers)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            refusal = public_error(error)
            audit_refusals([refusal])
            return json_response(error_body(refusal), STATUS[refusal.code], error_type)

    async def _answer(
        self, http: HttpRequest, request: Request, media_types: Sequence[MediaType]
    ) -> Response:
        if media_types[0] is MediaType.EVENT_STREAM:
            request.transport = "sse"
        context = await self.contexts.for_http(request, http.headers.get("authorization"))
        body = await read_body(http)
        turn = request.turn = self.operations.turn_of(request)
        response: Response | None = None
        try:
            require_patience(turn)
            await turn.take()
            # The token may have expired during the wait.
            await context.principal()
            response = await self._execute(http, parse_request(http, body), context, media_types)
            return response
        finally:
            # An event stream gives it back once the operation has started.
            if not isinstance(response, EventStream):
                turn.give_back()

    async def _execute(
        self,
        http: HttpRequest,
        params: GraphQLParams,
        context: Context,
        media_types: Sequence[MediaType],
    ) -> Response:
        # Any link can cause a GET, so a GET must not change anything.
        allowed = {OperationType.QUERY}
        if http.method == "POST":
            allowed.add(OperationType.MUTATION)
        if media_types[0] is MediaType.EVENT_STREAM:
            return await self._stream(params, context, allowed | {OperationType.SUBSCRIPTION})
        try:
            result = await self.operations.execute(params, context, allowed)
        except UnknownOperationError as error:
            raise UnusableRequestError(400, str(error)) from None
        except OperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise UnusableRequestError(405, str(error), {"Allow": "POST"}) from None
            if MediaType.EVENT_STREAM in media_types:
                return await self._stream(params, context, {OperationType.SUBSCRIPTION})
            raise UnusableRequestError(
                406,
                f"Subscriptions are streamed: accept {MediaType.EVENT_STREAM}, or use a WebSocket.",
            ) from None
        status = status_of(result, media_types[0])
        return json_response(body_of(result), status, media_types[0])

    async def _stream(
        self, params: GraphQLParams, context: Context, allowed: Collection[OperationType]
    ) -> Response:
        request = context.request
        request.transport = "sse"
        slot = request.slot = self.slots.new()
        request.take_slot()

        def leave() -> None:
            slot.give_back()
            request.end_turn()

        results = partial(self.operations.stream, params, context, allowed)
        stream = EventStream(results, self._connections, at_end=leave)
        try:
            first = await stream.first(FIRST_RESULT_TIMEOUT)
        except asyncio.CancelledError:
            await stream.aclose()
            raise
        if self._connections.close_code is not None:
            await stream.aclose()
            return _stopping()
        status = 200 if first is None else status_of(first, MediaType.GRAPHQL_RESPONSE)
        if first is None or status == 200:
            return stream
        await stream.aclose()
        if _is_refused_mutation(first):
            return json_response(body_of(first), 405, MediaType.JSON, {"Allow": "POST"})
        return json_response(body_of(first), status, MediaType.JSON)

    async def _serve_websocket(self, websocket: WebSocket, slot: Slot) -> None:
        try:
            await self.run(websocket)
        except (asyncio.CancelledError, _StoppingError):
            if (code := self._connections.close_code) is not None:
                await close_websocket(websocket, code, "Service Restart")
            else:
                await close_websocket(websocket, CLOSE_UNRESPONSIVE, "The client does not read")
        finally:
            slot.give_back()

    async def get_context(
        self, request: HttpRequest | WebSocket, response: Response | WebSocket
    ) -> Request:
        """Return the WebSocket's request, which is the context of Strawberry's handler."""
        if self._connections.close_code is not None:
            # Refusing the handshake could not send the close code.
            raise _StoppingError
        return current_request()

    async def create_websocket_response(
        self, request: WebSocket, subprotocol: str | None
    ) -> WebSocket:
        headers = [(b"x-request-id", current_request().id.encode())]
        await request.accept(subprotocol, headers)
        return request

    async def on_ws_connect(self, context: Request) -> UnsetType:
        """Admit a WebSocket after its `connection_init`.

        Raises:
            DomainError: refuses it.
        """
        context.opened_at = monotonic()
        await (await self.contexts.for_websocket(context)).principal()
        context.take_slot()
        return UnsetType()

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

    def decode_json(self, data: str | bytes) -> object:
        return orjson.loads(data)


def _stopping() -> Response:
    error = UnavailableError("The server is stopping: try again.")
    return json_response(error_body(error), 503, MediaType.JSON)


def _is_refused_mutation(result: ExecutionResult) -> bool:
    causes = (error.original_error for error in result.errors or ())
    return any(isinstance(cause, OperationTypeError) for cause in causes)
