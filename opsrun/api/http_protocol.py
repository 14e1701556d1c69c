"""Uvicorn's HTTP protocols, with better responses to clients that misbehave.

`HttpProtocol` reads plain requests with httptools, which takes a fraction of h11's time. Everything
else is left to h11, so it alone decides about requests that are unusual or malformed.

The reverse proxy in front of the API does the rest: see docs/security.md.
"""

import asyncio
import re
from http import HTTPStatus
from typing import Any

import h11
import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request before its body: the request line and the headers.
HEAD_LIMIT = 64 * 1024
# Seconds in which a client must read at least one byte. Longer than `SEND_TIMEOUT`, after which the
# client still gets a reason.
STALL_TIMEOUT = 45.0

# On every response, so that a browser never guesses that a body is a script or a page.
NO_SNIFFING = ("X-Content-Type-Options", "nosniff")

# The end of a head for h11, which allows a line to end without a carriage return.
_END_OF_HEAD = re.compile(rb"\n\r?\n")
# Headers that change how a body is sent, or the protocol of the connection.
_UNUSUAL_HEADERS = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


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


class HttpProtocol(StallTimeoutMixin, HttpToolsProtocol):
    """Serves plain requests, and hands the connection over to `UnusualHttpProtocol` at any other.

    A plain request is one that both parsers read alike: HTTP/1.1, a path as its target, one `Host`,
    no header twice, and a body with a length or none. httptools parses its head only; a later
    request waits, unparsed, for the response. So the bytes of a request that is not plain are
    complete when the connection is handed over, and no response is pending.
    """

    # Bytes of the current body that have not arrived.
    _missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._unparsed = bytearray()

    def data_received(self, data: bytes) -> None:
        """Take a body, or the head of a request."""
        self._unset_keepalive_if_required()
        self._unparsed += data
        self._parse()

    def on_response_complete(self) -> None:
        """Start the request that has waited for this response."""
        super().on_response_complete()
        if self._unparsed and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._parse()

    def on_headers_complete(self) -> None:
        """Start a plain request; raise ValueError, which ends the parsing, at any other."""
        headers = dict(self.headers)
        if (
            self.parser.get_http_version() != "1.1"
            or not self.url.startswith(b"/")
            or self.url.startswith(b"//")
            or b"#" in self.url
            or len(headers) < len(self.headers)
            or b"host" not in headers
            or not _UNUSUAL_HEADERS.isdisjoint(headers)
        ):
            raise ValueError("not a plain request")
        self._missing = int(headers.get(b"content-length", 0))
        super().on_headers_complete()

    def _parse(self) -> None:
        if self._missing:
            part = bytes(self._unparsed[: self._missing])
            del self._unparsed[: len(part)]
            self._missing -= len(part)
            self.on_body(part)
            if not self._missing:
                self.on_message_complete()
        if not self._unparsed:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.flow.pause_reading()
            return
        end = _END_OF_HEAD.search(self._unparsed)
        if end is None and len(self._unparsed) <= HEAD_LIMIT and self._unparsed[0] > ord(" "):
            return
        if end is not None and self._begins(self._unparsed[: end.end()]):
            del self._unparsed[: end.end()]
            self._parse()
        else:
            self._hand_over()

    def _begins(self, head: bytearray) -> bool:
        """Start the request of this head, and return whether it is plain."""
        if head[0] <= ord(" "):
            return False
        before = self.cycle
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(head)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return False
        return self.cycle is not before

    def _hand_over(self) -> None:
        self.connections.discard(self)
        is_paused = self.flow.write_paused
        self._stop_timer()
        protocol = UnusualHttpProtocol(self.config, self.server_state, self.app_state)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        if is_paused:
            protocol.pause_writing()
        protocol.data_received(bytes(self._unparsed))


class _Connection(h11.Connection):
    """Refuses two lengths: a proxy that believes the other one would see another next request."""

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if names >= {b"content-length", b"transfer-encoding"}:
                raise h11.RemoteProtocolError("two lengths")
        return event


class UnusualHttpProtocol(StallTimeoutMixin, H11Protocol):
    """Serves every request, and refuses an invalid one once, with the headers of every response.

    httptools would lose the body of a request that offers an upgrade to HTTP/2, as every Java
    client does by default; h11 reads it.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.conn = _Connection(h11.SERVER, HEAD_LIMIT)

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
