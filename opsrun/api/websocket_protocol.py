"""Uvicorn's WebSockets, where clients that misbehave need another answer than uvicorn's."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

from gql.transport.websocket import CLOSE_UNRESPONSIVE
from opsrun.api.http_protocol import NO_SNIFFING, StallTimeoutMixin


class _Handshake(ServerProtocol):
    """Gives refused handshakes the header that uvicorn adds to accepted ones only."""

    def send_response(self, response: Response) -> None:
        super().send_response(_unsniffed(response))


class SocketProtocol(StallTimeoutMixin, WebSocketsSansIOProtocol):
    """Answers handshakes that are none, and ends sockets with codes that say more."""

    _pongs = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a handshake."""
        super().connection_made(transport)
        self.conn = _Handshake(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size,
            logger=self.logger,
        )

    def resume_writing(self) -> None:
        """Answer the last pings that came meanwhile."""
        super().resume_writing()
        pongs, self._pongs = self._pongs, b""
        self.transport.write(pongs)

    def data_received(self, data: bytes) -> None:
        """Parse what came; uvicorn does not answer a request that is not a handshake."""
        super().data_received(data)
        fault = self.conn.handshake_exc
        if fault is not None and not self.handshake_initiated:
            text = f"Failed to open a WebSocket connection: {fault.__cause__}.\n"
            refusal = _unsniffed(self.conn.reject(HTTPStatus.BAD_REQUEST, text))
            self.transport.write(refusal.serialize())
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message; empty ones have no size to be bounded by."""
        if event.data or event.fin:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer; the last ones alone, if the client takes no answers (RFC 6455, 5.5.3)."""
        # Those of everything that came at once, at the first of them.
        pongs = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pongs)
        elif pongs:
            self._pongs = pongs

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; uvicorn logs a traceback for each that is not UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.fail(1007, "invalid UTF-8")
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """End the socket of a client that answers no ping; after uvicorn's 1011 none comes back."""
        self.conn.fail(CLOSE_UNRESPONSIVE, "No answer to a ping")
        super().keepalive_timeout()


def _unsniffed(response: Response) -> Response:
    name, value = NO_SNIFFING
    response.headers.setdefault(name, value)
    return response


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
