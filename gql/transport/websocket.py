"""Operations on a socket: the graphql-transport-ws protocol, hardened."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from starlette.websockets import WebSocketDisconnected as SocketIsClosedError
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.exceptions import ConnectionRejectionError
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

from domain.concurrency.fair_queue import Turn
from domain.errors import DomainError, ErrorCode, LimitExceededError, UnavailableError
from gql.documents.trusted import by_document_id, names_document
from gql.errors import public_error
from gql.execution import OpsrunSchema
from gql.serving import serving
from gql.transport.connections import SEND_TIMEOUT
from gql.transport.contexts import ContextFactory, opened, seated, told
from gql.transport.responses import is_request_error
from gql.transport.results import ResultStream
from gql.transport.slots import Slot

# RFC 6455: a control frame holds 125 bytes, of which the close code takes two.
MAX_REASON_BYTES = 123
# For a client that does not read or answer any more; one of those after which it may come back.
CLOSE_UNRESPONSIVE = 4499


@dataclass(slots=True)
class SocketSession:
    """What all operations of one socket share: its client's parameters, not its context."""

    context_factory: ContextFactory
    request_id: str
    slot: Slot
    connection_params: Mapping[str, object] = field(default_factory=dict)
    user_id: UUID | None = None

    async def new_context(self, turn: Turn | None = None) -> object:
        """Return a fresh context: sessions, loaders and rights of an earlier one are stale."""
        opening = self.context_factory.for_socket(self.connection_params)
        context = await opened(opening, request_id=self.request_id, transport="socket")
        return told(context, slot=self.slot, turn=turn)

    async def admit(self) -> None:
        """Check that the client may use the socket.

        Raises:
            ConnectionRejectionError: it may not.
            RateLimitedError, UnavailableError: not just now.
        """
        try:
            context = await self.new_context()
        except UnavailableError:
            raise
        except DomainError as error:
            serving().refused([error.code])
            raise ConnectionRejectionError from error
        seated(context, self.slot)
        self.user_id = getattr(context, "actor_id", None)


class SocketAdapter(ASGIWebSocketAdapter):
    """Sends text frames, and takes a socket that is already closed for what it is."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send `message` as text.

        Raises:
            WebSocketDisconnected: nobody is there any more.
        """
        try:
            await self.ws.send_text(self.view.encode_json_string(message))
        except (WebSocketDisconnect, SocketIsClosedError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close the socket unless it is closed."""
        await close_socket(self.ws, code, reason)


async def close_socket(socket: WebSocket, code: int, reason: str) -> None:
    """Close `socket` unless it is closed already; a long reason is cut.

    It does not wait for ever until a client reads what comes before.
    """
    if socket.application_state is WebSocketState.CONNECTED:
        short = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        with suppress(WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT):
                await socket.close(code, short)


class SocketHandler(BaseGraphQLTransportWSHandler[SocketSession, None]):
    """One socket's conversation.

    A message that breaks the protocol closes the socket; whatever is wrong with an
    operation is an `error` message to that operation only.
    """

    schema: OpsrunSchema
    _conversation: asyncio.Task[None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of operations that are about to start; Strawberry keeps the query and variables only.
        self._payloads: dict[str, Mapping[str, object]] = {}

    async def handle(self) -> None:
        """Converse until one side leaves."""
        self._conversation = asyncio.current_task()
        await super().handle()

    async def send_message(self, message: Message) -> None:
        """Send one message; a client that does not take it in time loses the whole socket.

        Raises:
            WebSocketDisconnected: nobody is there any more, or nobody reads.
        """
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await super().send_message(message)
        except TimeoutError as error:
            # The conversation waits for the client's next message, which may never come.
            if self._conversation is not None and not self._conversation.cancelling():
                self._conversation.cancel()
            raise WebSocketDisconnected from error

    async def handle_message(self, message: Message) -> None:
        """Act on one message of the client."""
        if fault := _fault_of(message):
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Open the conversation, or refuse it: with 4403, or with 1013 for the time being."""
        message["payload"] = message.get("payload") or {}
        try:
            await super().handle_connection_init(message)
        except WebSocketDisconnected:
            raise
        except Exception as error:  # noqa: BLE001 - the client must learn that it is our fault
            shown = public_error(error)
            if shown.code in (ErrorCode.UNAVAILABLE, ErrorCode.RATE_LIMITED):
                # One of the codes after which clients connect again; 4500 is none.
                await self.websocket.close(1013, shown.message)
                return
            error_id = (shown.extensions or {}).get("errorId")
            await self.websocket.close(4500, f"{shown.message} errorId: {error_id}")

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation, unless too many of them run."""
        limit, running = self.max_subscriptions_per_connection, self.operations
        # One that runs already is for Strawberry to refuse, with 4409.
        if limit is not None and len(running) >= limit and message["id"] not in running:
            error = public_error(LimitExceededError(f"At most {limit} operations per socket."))
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [error.formatted]}
            )
        else:
            payload = message["payload"]
            self._payloads[message["id"]] = payload
            payload["query"] = payload.get("query") or ""
            await super().handle_subscribe(message)

    async def cleanup_operation(self, operation_id: str) -> None:
        """End an operation, which may not even have begun."""
        self._payloads.pop(operation_id, None)
        await super().cleanup_operation(operation_id)

    async def run_operation(self, operation: Operation[SocketSession, None]) -> None:
        """Run one operation to its end, in a context of its own."""
        with suppress(WebSocketDisconnected):
            try:
                await self._answer(operation)
            except WebSocketDisconnected:
                raise
            except Exception as error:  # noqa: BLE001 - nothing else tells the client
                await operation.send_initial_errors([public_error(error)])

    async def _answer(self, operation: Operation[SocketSession, None]) -> None:
        payload = self._payloads.pop(operation.id)
        turn = self.schema.turn_of(self.context.user_id)
        try:
            # A client may open very many at once, and nothing is done for them before.
            await turn.take()
            await self._send_results(operation, payload, await self.context.new_context(turn))
        finally:
            turn.give_back()

    async def _send_results(
        self,
        operation: Operation[SocketSession, None],
        payload: Mapping[str, object],
        context: object,
    ) -> None:
        results = ResultStream(
            await self.schema.stream(
                operation.query,
                variable_values=operation.variables,
                context_value=context,
                operation_name=operation.operation_name,
                operation_extensions=by_document_id(payload),
            )
        )
        try:
            while (result := await results.next()) is not None:
                if is_request_error(result):
                    await operation.send_initial_errors(result.errors or [])
                    return
                await operation.send_next(result)
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        finally:
            await results.aclose()


def _fault_of(message: object) -> str | None:
    """Return what is wrong with the form of a client's message, if anything."""
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
