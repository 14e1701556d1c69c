"""Operations on a WebSocket: the graphql-transport-ws protocol, hardened."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from starlette.websockets import WebSocketDisconnected as WebSocketIsClosedError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)
from strawberry.types import ExecutionResult

from domain.errors import ErrorCode, LimitExceededError
from gql.audit import audit_refusals
from gql.context import Context
from gql.documents.trusted import names_document
from gql.errors import public_error
from gql.live.outlets import Begun, begin
from gql.request import GraphQLParams, Request, serve
from gql.transport.connections import SEND_TIMEOUT, cancel_self, is_cancelled
from gql.transport.responses import is_request_error, payload_of

if TYPE_CHECKING:
    from gql.transport.http import GraphQLView

# RFC 6455: a control frame holds 125 bytes, and the close code takes two of them.
MAX_REASON_BYTES = 123
# For a client that does not read or answer any more. Clients reconnect after this code.
CLOSE_UNRESPONSIVE = 4499


class WebSocketAdapter(ASGIWebSocketAdapter):
    """Sends text frames, and reports a closed WebSocket as a disconnected client."""

    async def send_text(self, message: bytes) -> None:
        """Send JSON as text.

        Raises:
            WebSocketDisconnected: the WebSocket is closed.
        """
        try:
            await self.ws.send_text(message.decode())
        except (WebSocketDisconnect, WebSocketIsClosedError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket unless it is closed."""
        await close_websocket(self.ws, code, reason)


async def close_websocket(websocket: WebSocket, code: int, reason: str) -> None:
    """Close `websocket` unless it is closed already; a long reason is cut.

    Waits up to `SEND_TIMEOUT` for the client to read the messages before.
    """
    if websocket.application_state is WebSocketState.CONNECTED:
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        with suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT):
                await websocket.close(code, short)


class WebSocketHandler(BaseGraphQLTransportWSHandler[Request, None]):
    """The conversation on one WebSocket; its context is the WebSocket's request.

    A message that breaks the protocol closes the WebSocket. An error of an operation is an
    `error` message to that operation only.
    """

    view: "GraphQLView"
    websocket: WebSocketAdapter
    _conversation: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The payloads of operations that are about to start. Strawberry drops their extensions.
        self._payloads: dict[str, Mapping[str, object]] = {}

    async def handle(self) -> None:
        """Handle messages until one side closes the WebSocket."""
        self._conversation = asyncio.current_task()
        await super().handle()

    async def send_message(self, message: Message) -> None:
        """Send one message; a client that does not read it in time loses the whole WebSocket.

        Raises:
            WebSocketDisconnected: the WebSocket is closed, or the client does not read.
        """
        await self.send_text(self.view.encode_json(message))

    async def send_text(self, message: bytes) -> None:
        """Send one message as JSON; see `send_message`."""
        if (begun := begin(self.websocket.send_text(message))) is not None:
            await self.finish(begun)

    async def finish(self, begun: Begun) -> None:
        """Wait until the client has read enough; see `send_message`."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await begun
        except TimeoutError as error:
            # The conversation is waiting for the client's next message, which may never come.
            if self._conversation is not None and not self._conversation.cancelling():
                self._conversation.cancel()
            raise WebSocketDisconnected from error

    async def handle_message(self, message: Message) -> None:
        """Handle one message of the client."""
        if fault := _fault_of(message):
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Open the conversation, or close it: with 4403, or with 1013 if retrying may help."""
        message["payload"] = message.get("payload") or {}
        try:
            await super().handle_connection_init(message)
        except WebSocketDisconnected:
            raise
        except Exception as error:  # noqa: BLE001 - every error has to be answered
            refusal = public_error(error)
            audit_refusals([refusal])
            match refusal.code:
                case ErrorCode.UNAVAILABLE | ErrorCode.RATE_LIMITED:
                    await self.websocket.close(1013, refusal.message)
                case ErrorCode.INTERNAL:
                    error_id = (refusal.extensions or {})["errorId"]
                    await self.websocket.close(4500, f"{refusal.message} errorId: {error_id}")
                case _:
                    await self.websocket.close(4403, "Forbidden")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, unless too many are running."""
        limit, running = self.max_subscriptions_per_connection, self.operations
        # Strawberry closes the WebSocket with 4409 if the id is in use.
        if limit is not None and len(running) >= limit and message["id"] not in running:
            error = public_error(LimitExceededError(f"At most {limit} operations per WebSocket."))
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [error.formatted]}
            )
        else:
            payload = message["payload"]
            self._payloads[message["id"]] = payload
            payload["query"] = payload.get("query") or ""
            await super().handle_subscribe(message)

    async def cleanup_operation(self, operation_id: str) -> None:
        """End an operation; it may not have begun yet, or be cleaning up already."""
        self._payloads.pop(operation_id, None)
        operation = self.operations.get(operation_id)
        if operation is not None and operation.task is not None and operation.task.cancelling():
            self.forget_id(operation_id)
        else:
            await super().cleanup_operation(operation_id)

    async def run_operation(self, operation: Operation[Request, None]) -> None:
        """Run one operation to its end, with its own request and context."""
        request = replace(self.context)
        with suppress(WebSocketDisconnected), serve(request):
            try:
                await self._answer(operation, request)
            except WebSocketDisconnected:
                raise
            except Exception as error:  # noqa: BLE001 - every error has to be answered
                refusal = public_error(error)
                audit_refusals([refusal])
                if not is_cancelled():
                    await operation.send_initial_errors([refusal])

    async def _answer(self, operation: Operation[Request, None], request: Request) -> None:
        params = GraphQLParams.of(self._payloads.pop(operation.id))
        request.turn = self.view.operations.turn_of(request)
        try:
            # A client may open many operations at once, so they wait before any work is done.
            await request.turn.take()
            context = await self.view.contexts.for_websocket(request)
            await self._send_results(operation, params, context)
        finally:
            request.end_turn()

    async def _send_results(
        self, operation: Operation[Request, None], params: GraphQLParams, context: Context
    ) -> None:
        outlet = _Outlet(self, operation.id)
        task = asyncio.current_task()
        stream = self.view.operations.stream(params, context, outlet=outlet)
        async with aclosing(stream) as results:
            async for result in results:
                # If a subscription fails to clean up, a cancellation ends in an error result.
                if task is not None and task.cancelling():
                    return
                if is_request_error(result):
                    await operation.send_initial_errors(result.errors or [])
                    return
                await outlet.send(result)
                del result
        await operation.send_operation_message({"id": operation.id, "type": "complete"})


class _Outlet:
    """Sends the results of one operation."""

    def __init__(self, handler: WebSocketHandler, operation_id: str) -> None:
        self._handler = handler
        self._head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(operation_id)

    def begin(self, result: ExecutionResult) -> Begun | None:
        """Begin to send a result in any task; see `Outlet`."""
        message = b"%b%b}" % (self._head, payload_of(result))
        return begin(self._handler.websocket.send_text(message))

    async def send(self, result: ExecutionResult) -> None:
        """Send a result in the operation's task; see `Outlet`."""
        try:
            begun = self.begin(result)
        except WebSocketDisconnected:
            await cancel_self()
        else:
            if begun is not None:
                await self.finish(begun)

    async def finish(self, begun: Begun) -> None:
        """Wait in the operation's task until the client has read enough; see `Outlet`."""
        try:
            await self._handler.finish(begun)
        except WebSocketDisconnected:
            await cancel_self()


def _fault_of(message: object) -> str | None:
    """Return what is malformed in a client's message, if anything."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type"
    payload = message.get("payload")
    match message["type"]:
        case "connection_init":
            return None if isinstance(payload, dict | None) else "Invalid connection init payload"
        case "subscribe" | "complete" if not isinstance(message.get("id"), str):
            return "The id of an operation must be a string"
        case "subscribe" if not (
            isinstance(payload, dict)
            and isinstance(payload.get("extensions"), dict | None)
            and isinstance(payload.get("query"), str | None if names_document(payload) else str)
            and isinstance(payload.get("variables"), dict | None)
            and isinstance(payload.get("operationName"), str | None)
        ):
            return "Invalid subscribe payload"
    return None
