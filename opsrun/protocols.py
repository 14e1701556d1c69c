"""Uvicorn's protocols, where clients that misbehave need another answer than uvicorn's."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql.transport.websocket import FROZEN

# What a request may have before its body, in bytes, and the seconds in which it has to come.
HEAD_LIMIT = 64 * 1024
HEAD_TIMEOUT = 30.0


class HttpProtocol(HttpToolsProtocol):
    """Gives up a request whose URL and headers do not end; uvicorn would collect and wait."""

    _in_head = False
    _head = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self.send_400_response(f"URL and headers are larger than {HEAD_LIMIT} bytes.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._expect_head()
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._end_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._end_head()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _end_head(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()

    def _give_up(self) -> None:
        if self._in_head and not self.transport.is_closing():
            self.send_400_response(f"URL and headers did not end within {HEAD_TIMEOUT} s.")
        self.transport.close()


class SocketProtocol(WebSocketsSansIOProtocol):
    """Answers handshakes that are none, and ends sockets with codes that say more."""

    def data_received(self, data: bytes) -> None:
        """Parse what came; uvicorn leaves a client without an answer to what is no handshake."""
        super().data_received(data)
        fault = self.conn.handshake_exc
        if fault is not None and not self.handshake_initiated:
            text = f"Failed to open a WebSocket connection: {fault.__cause__}.\n"
            self.transport.write(self.conn.reject(HTTPStatus.BAD_REQUEST, text).serialize())
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; uvicorn logs a traceback for each that is not UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.fail(1007, "invalid UTF-8")
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def keepalive_timeout(self) -> None:
        """End the socket of a client that answers no ping; after uvicorn's 1011 none comes back."""
        self.conn.fail(FROZEN, "No answer to a ping")
        super().keepalive_timeout()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
