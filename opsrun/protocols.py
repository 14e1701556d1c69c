"""Uvicorn's protocols, where clients that misbehave need another answer than uvicorn's."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql.transport.websocket import FROZEN

HEAD_LIMIT = 64 * 1024


class HttpProtocol(HttpToolsProtocol):
    """Refuses a request whose URL and headers do not end, which uvicorn would collect."""

    _in_head = False
    _head = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self.send_400_response(f"URL and headers are larger than {HEAD_LIMIT} bytes.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head, self._head = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting."""
        self._in_head = False
        super().on_headers_complete()


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
