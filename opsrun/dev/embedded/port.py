"""Starts a server on a free port of 127.0.0.1."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from opsrun.dev.embedded.child import Child
from opsrun.dev.embedded.errors import EmbeddedServerError

READY_SECONDS = 30.0
PORT_ATTEMPTS = 5


@asynccontextmanager
async def listening(
    launch: Callable[[int], Child],
    is_ready: Callable[[Child], bool],
    *,
    bind_complaint: str,
) -> AsyncIterator[tuple[Child, int]]:
    """Run a server during the context; yield it and its port once it is ready.

    Another process may take the free port before the server does. If the server's log contains
    `bind_complaint`, another port is tried. `is_ready` must ask the server, because another
    process may answer on the port.

    Raises:
        EmbeddedServerError: the server ended, or was not ready after `READY_SECONDS`.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        port = free_port()
        child = launch(port)
        try:
            if await _became_ready(child, is_ready):
                yield child, port
                return
        finally:
            await child.stop()
        if bind_complaint not in child.log_tail() or attempt == PORT_ATTEMPTS:
            raise EmbeddedServerError(child.exit_report())


def free_port() -> int:
    """Return a port of 127.0.0.1 that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _became_ready(child: Child, is_ready: Callable[[Child], bool]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while not child.ended:
        if is_ready(child):
            return True
        if time.monotonic() > deadline:
            raise EmbeddedServerError(
                child.report(f"was not ready after {READY_SECONDS:.0f} seconds")
            )
        await asyncio.sleep(0.01)
    return False
