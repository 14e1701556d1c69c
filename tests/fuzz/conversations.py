"""A graphql-transport-ws client that sends anything, and checks all that it receives."""

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
    """An open WebSocket. Its methods raise AssertionError if the server breaks the protocol."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The close code, once the server has closed it.
        self.code: int | None = None
        self._is_oversized = False

    def send(self, message: str | bytes) -> bool:
        """Send a frame; return whether the WebSocket is still open."""
        self._is_oversized |= len(message) > MAX_MESSAGE
        try:
            self._connection.send(message)
        except ConnectionClosed as closed:
            return self._record_close(closed)
        return True

    def send_json(self, message: Any) -> bool:
        """Send a message as JSON; return whether the WebSocket is still open."""
        return self.send(json.dumps(message))

    def wait_for(self, kind: str, **fields: Any) -> bool:
        """Read until such a message; return False if the server closes the WebSocket first."""
        until = monotonic() + DEADLINE
        try:
            while monotonic() < until:
                text = self._connection.recv(timeout=max(0.0, until - monotonic()))
                if check_message(text) == kind and fields.items() <= json.loads(text).items():
                    return True
        except ConnectionClosed as closed:
            return self._record_close(closed)
        except TimeoutError:
            pass
        raise AssertionError(f"No {kind} {fields} arrived")

    def disconnect(self) -> None:
        """Shut the connection down without a close frame."""
        with suppress(OSError):  # the server may have closed it
            self._connection.socket.shutdown(SHUT_RDWR)

    def _record_close(self, closed: ConnectionClosed) -> bool:
        # If the server leaves bytes unread, TCP may reset the connection before its 1009 arrives.
        default = 1009 if self._is_oversized else 1006
        code = closed.rcvd.code if closed.rcvd else default
        check_close(code, closed.rcvd.reason if closed.rcvd else "")
        self.code = code
        return False


@contextmanager
def conversation(
    url: str,
    protocols: Sequence[str] = (PROTOCOL,),
    headers: Mapping[str, str] | None = None,
) -> Iterator[Conversation]:
    """Open a WebSocket."""
    with connect(
        url,
        subprotocols=[Subprotocol(name) for name in protocols] or None,
        additional_headers=headers,
        open_timeout=DEADLINE,
        close_timeout=DEADLINE,
        proxy=None,
    ) as connection:
        yield Conversation(connection)


@contextmanager
def admitted(url: str, token: str) -> Iterator[Conversation]:
    """Open a WebSocket and wait for its acknowledgement, with retries while all seats are taken."""
    until = monotonic() + DEADLINE
    while True:
        with conversation(url) as client:
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            client.send_json(init)
            if client.wait_for("connection_ack"):
                yield client
                return
            assert client.code == 1013, f"Refused with {client.code}"
        assert monotonic() < until, "Closed WebSockets still take seats"
