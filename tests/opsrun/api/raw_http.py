"""Requests as bytes, for tests that break the rules of HTTP."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.gql.transport.demo import Demo

FIRST = b"GET /graphql?query={hello} HTTP/1.1\r\nHost: x\r\n"
ACCEPT = b"Accept: text/event-stream\r\n"
WHOLE = FIRST + b"Authorization: Bearer ada\r\n\r\n"
BODY = b'{"query": "{ hello }"}'
OFFERING = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    b"Content-Type: application/json\r\n"
)
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
CLOSE = b"Connection: close\r\n"
POST = (
    b"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ada\r\n"
    b"Content-Type: application/json\r\n"
)


@asynccontextmanager
async def connected(demo: Demo) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Connect a client whose receive buffer is very small."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", demo.port))
    reader, writer = await asyncio.open_connection(sock=end, limit=1024)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def response_to(demo: Demo, *sent: bytes) -> bytes:
    """Send these bytes; return what the server sends until it closes the connection."""
    async with connected(demo) as (reader, writer):
        for data in sent:
            writer.write(data)
        return await asyncio.wait_for(reader.read(), 5)
