"""Uvicorn's HTTP protocol, with better responses to clients that misbehave.

The reverse proxy in front of the API does the rest: see docs/security.md.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

# Bytes of a request before its body: the request line and the headers.
HEAD_LIMIT = 64 * 1024
# Seconds in which a client must read at least one byte. Longer than `SEND_TIMEOUT`, after which the
# client still gets a reason.
STALL_TIMEOUT = 45.0

# On every response, so that a browser never guesses that a body is a script or a page.
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")


def server_config(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for `app`; `options` are further arguments.

    Responses do not name the server's software. WebSocket messages are not compressed, because
    that takes as long as composing them, and would be repeated for each subscriber.
    """
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=HttpProtocol,
        h11_max_incomplete_event_size=HEAD_LIMIT,
        server_header=False,
        ws_per_message_deflate=False,
        headers=[NO_SNIFFING],
        **options,
    )


class StallTimeoutMixin(asyncio.Protocol):
    """Aborts the connection of a client that stops reading.

    Closing it is not enough: a close waits until the client has read everything.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _timer: asyncio.TimerHandle | None = None
    _unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make asyncio call `pause_writing` as soon as a byte cannot be sent at once."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timer()

    def resume_writing(self) -> None:
        """Stop the timer, because the client has read everything."""
        super().resume_writing()
        self._stop_timer()

    def _start_timer(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(STALL_TIMEOUT, self._abort_if_stalled)

    def _abort_if_stalled(self) -> None:
        is_reading = self.transport.get_write_buffer_size() < self._unsent
        if is_reading and not self.transport.is_closing():
            self._start_timer()
        else:
            self.transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpProtocol(StallTimeoutMixin, H11Protocol):
    """Answers an invalid request once, with the headers of every other response.

    It uses h11, because httptools loses the body of a request that offers an upgrade to HTTP/2.
    Every Java client offers it by default.
    """

    def send_400_response(self, msg: str) -> None:
        """Refuse an invalid request, unless its response has already begun."""
        if self.cycle is not None and not self.cycle.response_complete:
            # The application must not answer it as well.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        if len(self.conn.trailing_data[0]) > HEAD_LIMIT:
            msg = f"URL and headers are larger than {HEAD_LIMIT} bytes."
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
        """Log nothing, because a server may ignore the offer of an upgrade."""
