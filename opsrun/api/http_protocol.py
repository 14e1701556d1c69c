"""Uvicorn's HTTP, where clients that misbehave need another answer than uvicorn's."""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

# What a request may have before its body, in bytes, and the seconds in which it has to come.
HEAD_LIMIT = 64 * 1024
HEAD_TIMEOUT = 30.0
# Seconds in which a client has to take a byte; after `SEND_TIMEOUT`, which still tells it why.
STALL_TIMEOUT = 45.0

# On every answer: a browser must not guess that something is a script or a page.
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")

_HOST = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


def server_config(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for `app`, with `options` of its own.

    Answers do not name the server's software. Messages on sockets are not packed: that takes as
    long as to make them, for each subscriber once more.
    """
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=HttpProtocol,
        server_header=False,
        ws_per_message_deflate=False,
        headers=[NO_SNIFFING],
        **options,
    )


class StallTimeoutMixin(asyncio.Protocol):
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


class HttpProtocol(StallTimeoutMixin, H11Protocol):
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
        # Uvicorn's own answer lacks the headers that all others have.
        headers = [
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Connection", b"close"),
            *self.server_state.default_headers,
        ]
        reason = HTTPStatus.BAD_REQUEST.phrase.encode()
        for event in (
            h11.Response(status_code=HTTPStatus.BAD_REQUEST, headers=headers, reason=reason),
            h11.Data(data=msg.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

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
