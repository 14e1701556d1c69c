"""The API's listening socket and its public address."""

import socket
from contextlib import suppress

from opsrun.settings import Settings, SettingsError

DEFAULT_PORT = 8000
# The number of ports to try before the system chooses one.
_PORTS = 10


def listening_socket(settings: Settings) -> socket.socket:
    """Listen on OPSRUN_PORT; by default on the first free port from 8000.

    Raises:
        SettingsError: the process cannot listen on that port or host.
    """
    if settings.port is not None:
        return listen(settings.host, settings.port)
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS):
        with suppress(SettingsError):
            return listen(settings.host, port)
    return listen(settings.host, 0)


def listen(host: str, port: int, kind: str = "") -> socket.socket:
    """Listen on a port; `kind` precedes HOST and PORT in the names of the settings.

    Raises:
        SettingsError: the process cannot listen on that port or host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # If the socket names its protocol, the event loop turns off Nagle's algorithm.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Two sockets may be bound to one port, but only one can listen.
        bound.listen()
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"OPSRUN_{kind}PORT: Cannot listen on {host}:{port}: {error.strerror}."
            f" Set another port or OPSRUN_{kind}HOST, or no port."
        ) from error
    return bound


def inherited_socket(descriptor: int) -> socket.socket:
    """Return the listening socket that the parent process passed on.

    Raises:
        SettingsError: the descriptor is not a socket.
    """
    try:
        return socket.socket(fileno=descriptor)
    except OSError as error:
        raise SettingsError(f"--fd {descriptor} is not a socket: {error.strerror}.") from error


def address(settings: Settings, bound: socket.socket) -> str:
    """Return the URL at which users reach the API."""
    if settings.public_url is not None:
        return str(settings.public_url).rstrip("/")
    host, port = bound.getsockname()[:2]
    return f"http://{'[' + host + ']' if ':' in host else host}:{port}"
