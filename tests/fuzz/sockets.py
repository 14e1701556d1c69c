"""A client of graphql-transport-ws that sends anything and judges all that comes back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from time import monotonic
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Subprotocol

from tests.fuzz.oracle import DEADLINE, check_close, check_message

PROTOCOL = "graphql-transport-ws"
MAX_MESSAGE = 256 * 1024


class Conversation:
    """One socket; AssertionError for whatever the server may not do on it."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        # How the server closed it, if it did.
        self.code: int | None = None
        self._too_much = False

    def say(self, message: str | bytes) -> bool:
        """Send a frame; return whether the socket is still open."""
        self._too_much |= len(message) > MAX_MESSAGE
        try:
            self._socket.send(message)
        except ConnectionClosed as closed:
            return self._ended(closed)
        return True

    def tell(self, message: Any) -> bool:
        """Send a message as JSON; return whether the socket is still open."""
        return self.say(json.dumps(message))

    def hears(self, kind: str, **more: Any) -> bool:
        """Read up to such a message; return False when the socket ends before it."""
        until = monotonic() + DEADLINE
        try:
            while monotonic() < until:
                text = self._socket.recv(timeout=max(0.0, until - monotonic()))
                if check_message(text) == kind and more.items() <= json.loads(text).items():
                    return True
        except ConnectionClosed as closed:
            return self._ended(closed)
        except TimeoutError:
            pass
        raise AssertionError(f"No {kind} {more} came")

    def hang_up(self) -> None:
        """Leave without a word."""
        with suppress(OSError):  # the server may have been faster
            self._socket.socket.shutdown(SHUT_RDWR)

    def _ended(self, closed: ConnectionClosed) -> bool:
        # With bytes of ours unread, TCP may reset the connection before we have read the 1009.
        unread = 1009 if self._too_much else 1006
        code = closed.rcvd.code if closed.rcvd else unread
        check_close(code, closed.rcvd.reason if closed.rcvd else "")
        self.code = code
        return False


@contextmanager
def conversation(
    url: str,
    protocols: Sequence[str] = (PROTOCOL,),
    headers: Mapping[str, str] | None = None,
) -> Iterator[Conversation]:
    """Open a socket."""
    with connect(
        url,
        subprotocols=[Subprotocol(name) for name in protocols] or None,
        additional_headers=headers,
        open_timeout=DEADLINE,
        close_timeout=DEADLINE,
        proxy=None,
    ) as socket:
        yield Conversation(socket)


@contextmanager
def admitted(url: str, token: str) -> Iterator[Conversation]:
    """Open a socket that is let in, as soon as there is room; AssertionError if there never is."""
    until = monotonic() + DEADLINE
    while True:
        with conversation(url) as client:
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            client.tell(init)
            if client.hears("connection_ack"):
                yield client
                return
            assert client.code == 1013, f"Refused with {client.code}"
        assert monotonic() < until, "Sockets that are gone still count"
