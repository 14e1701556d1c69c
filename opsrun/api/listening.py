"""The API's socket, and the address under which people find it."""

import socket
from contextlib import suppress

from opsrun.settings import Settings, SettingsError

DEFAULT_PORT = 8000
# So many are tried before any free one is taken.
_PORTS = 10


def listening_socket(settings: Settings) -> socket.socket:
    """Listen on the API's port: the one that is set, or the first free one from 8000 on.

    Raises:
        SettingsError: the port that is set is taken, or the host is not ours.
    """
    if settings.port is not None:
        return listen(settings.host, settings.port)
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS):
        with suppress(SettingsError):
            return listen(settings.host, port)
    return listen(settings.host, 0)


def listen(host: str, port: int, kind: str = "") -> socket.socket:
    """Listen on a port; `kind` stands before HOST and PORT in the names of the settings.

    Raises:
        SettingsError: the port is taken, or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named so that the event loop turns off Nagle's algorithm.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Two sockets may be bound to one port; that it is ours is sure only now.
        bound.listen()
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"OPSRUN_{kind}PORT: Cannot listen on {host}:{port}: {error.strerror}."
            f" Set another port or OPSRUN_{kind}HOST, or no port."
        ) from error
    return bound


def inherited_socket(descriptor: int) -> socket.socket:
    """Return the socket that whoever started us listens on.

    Raises:
        SettingsError: this is none.
    """
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise SettingsError(f"--fd {descriptor} is no socket: {error.strerror}.") from error


def address(settings: Settings, bound: socket.socket) -> str:
    """Return how people reach the API that listens there."""
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    host, port = bound.getsockname()[:2]
    return f"http://{'[' + host + ']' if ':' in host else host}:{port}"
