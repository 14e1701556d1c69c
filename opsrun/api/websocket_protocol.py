"""Uvicorn's WebSocket protocol, with better responses to clients that misbehave."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

from gql.transport.websocket import CLOSE_UNRESPONSIVE
from opsrun.api.http_protocol import NO_SNIFFING, StallTimeoutMixin


class _Handshake(ServerProtocol):
    """Adds the header to refused handshakes; uvicorn adds it only to accepted ones."""

    def send_response(self, response: Response) -> None:
        super().send_response(_unsniffed(response))


class WebSocketProtocol(StallTimeoutMixin, WebSocketsSansIOProtocol):
    """Answers malformed handshakes, and closes WebSockets with more specific codes."""

    _pongs = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.conn = _Handshake(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size,
            logger=self.logger,
        )

    def resume_writing(self) -> None:
        """Answer the pings that arrived while writing was paused."""
        super().resume_writing()
        pongs, self._pongs = self._pongs, b""
        self.transport.write(pongs)

    def data_received(self, data: bytes) -> None:
        """Parse data; also answer a request that is not a handshake, unlike uvicorn."""
        super().data_received(data)
        fault = self.conn.handshake_exc
        if fault is not None and not self.handshake_initiated:
            text = f"Failed to open a WebSocket connection: {fault.__cause__}.\n"
            refusal = _unsniffed(self.conn.reject(HTTPStatus.BAD_REQUEST, text))
            self.transport.write(refusal.serialize())
            self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        """Take a part of a message; drop empty parts, because no limit applies to their number."""
        if event.data or event.fin:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer pings; if the client does not read, only the latest ones (RFC 6455, 5.5.3)."""
        # The first call answers all pings of one read.
        pongs = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pongs)
        elif pongs:
            self._pongs = pongs

    def send_receive_event_to_app(self) -> None:
        """Pass a message on; refuse invalid UTF-8, because uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.fail(1007, "invalid UTF-8")
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """Close with a code after which clients reconnect, unlike after uvicorn's 1011."""
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
