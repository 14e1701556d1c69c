"""Uvicorn's protocols, where clients that misbehave need another answer than uvicorn's."""

import asyncio
import re
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from gql.transport.websocket import FROZEN

# What a request may have before its body, in bytes, and the seconds in which it has to come.
HEAD_LIMIT = 64 * 1024
HEAD_TIMEOUT = 30.0
# Seconds in which a client has to take a byte; after `SEND_TIMEOUT`, which still tells it why.
STALL_TIMEOUT = 45.0

_HOST = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class _Cutting(asyncio.Protocol):
    """Ends the connection of a client that takes nothing of what it asked for.

    Closing alone does not: it waits until the client has taken everything.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _stalled: asyncio.TimerHandle | None = None
    _left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have us told of every byte that does not leave at once."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._end_stall()

    def pause_writing(self) -> None:
        """Begin to wait for the client."""
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        """Note that the client has taken everything."""
        super().resume_writing()
        self._end_stall()

    def _watch_stall(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALL_TIMEOUT, self._cut)

    def _cut(self) -> None:
        goes_on = self.transport.get_write_buffer_size() < self._left
        if goes_on and not self.transport.is_closing():
            self._watch_stall()
        else:
            self.transport.abort()

    def _end_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class _Connection(h11.Connection):
    """Takes a target with scheme and host, as clients send it to proxies, for its path."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if not isinstance(event, h11.Request) or not (host := _HOST.match(event.target)):
            return event
        path = event.target[host.end() :]
        return h11.Request(
            method=event.method,
            headers=event.headers,
            target=path if path.startswith(b"/") else b"/" + path,
            http_version=event.http_version,
        )


class HttpProtocol(_Cutting, H11Protocol):
    """Gives up a request that does not end, be it in its head or behind its answer.

    On h11, because httptools loses the body of a request that offers to go on in HTTP/2, as every
    Java client's does by default.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self.conn = _Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
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
        if self._unread():
            self._unset_keepalive_if_required()
        self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless it is answered already."""
        if self.cycle is not None and not self.cycle.response_complete:
            # The application is not to answer it too.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        if len(self._unread()) > HEAD_LIMIT:
            msg = f"URL and headers are larger than {HEAD_LIMIT} bytes."
        super().send_400_response(msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing of an offer that a server may overlook."""

    def _watch_head(self) -> None:
        is_answered = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        if self.conn.their_state is not h11.IDLE and not is_answered:
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


class SocketProtocol(_Cutting, WebSocketsSansIOProtocol):
    """Answers handshakes that are none, and ends sockets with codes that say more."""

    _pongs = b""

    def resume_writing(self) -> None:
        """Answer the last pings that came meanwhile."""
        super().resume_writing()
        pongs, self._pongs = self._pongs, b""
        self.transport.write(pongs)

    def data_received(self, data: bytes) -> None:
        """Parse what came; uvicorn leaves a client without an answer to what is no handshake."""
        super().data_received(data)
        fault = self.conn.handshake_exc
        if fault is not None and not self.handshake_initiated:
            text = f"Failed to open a WebSocket connection: {fault.__cause__}.\n"
            self.transport.write(self.conn.reject(HTTPStatus.BAD_REQUEST, text).serialize())
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
        self.conn.fail(FROZEN, "No answer to a ping")
        super().keepalive_timeout()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
