"""Uvicorn's protocols, where clients that misbehave need another answer than uvicorn's."""

import asyncio
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql.transport.websocket import FROZEN

# What a request may have before its body, in bytes, and the seconds in which it has to come.
HEAD_LIMIT = 64 * 1024
HEAD_TIMEOUT = 30.0


class HttpProtocol(H11Protocol):
    """Gives up a request whose URL and headers do not end.

    On h11, because httptools loses the body of a request that offers to go on in HTTP/2, as every
    Java client's does by default.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self.conn = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._end_head()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Expect the next request, of which there may be a part already."""
        super().on_response_complete()
        self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless it is answered already."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        if len(self._unread()) > HEAD_LIMIT:
            msg = f"URL and headers are larger than {HEAD_LIMIT} bytes."
        super().send_400_response(msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing of an offer that a server may overlook."""

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._end_head()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _end_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._unread() and not self.transport.is_closing():
            self.send_400_response(f"URL and headers did not end within {HEAD_TIMEOUT} s.")
        self.transport.close()

    def _unread(self) -> bytes:
        return self.conn.trailing_data[0]


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
