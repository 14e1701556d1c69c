"""A WebSocket client that sends single bytes and may break the protocol (RFC 6455)."""

import asyncio
import base64
import json
import os
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 10.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# permessage-deflate, RFC 7692: the bytes that a compressed frame omits at its end.
_PACKED_END = b"\x00\x00\xff\xff"
_HANDSHAKE = "\r\n".join(
    (
        "GET /graphql HTTP/1.1",
        "Host: test",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "",
        "",
    )
)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claimed: int | None = None,
) -> bytes:
    """Return a frame, with a false length if requested."""
    length = len(payload) if claimed is None else claimed
    if length < 126:
        size = bytes([length])
    elif length < 2**16:
        size = bytes([126]) + length.to_bytes(2, "big")
    else:
        size = bytes([127]) + length.to_bytes(8, "big")
    head = bytes([final << 7 | reserved << 4 | opcode, masked << 7 | size[0]]) + size[1:]
    # A mask of zeros changes nothing.
    return head + bytes(4 * masked) + payload


def text(message: object) -> bytes:
    """Return a message as a frame."""
    return frame(TEXT, json.dumps(message).encode())


def init(token: str) -> bytes:
    """Return a `connection_init` message."""
    return text({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})


def subscribe(query: str, variables: Mapping[str, Any] | None = None, number: str = "1") -> bytes:
    """Return a `subscribe` message."""
    payload = {"query": query, "variables": variables}
    return text({"id": number, "type": "subscribe", "payload": payload})


def bomb() -> bytes:
    """Return 48 kB that decompress to 50 MB."""
    deflate = zlib.compressobj(wbits=-12)
    packed = deflate.compress(bytes(50_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, packed.removesuffix(_PACKED_END), reserved=4)


@dataclass(frozen=True, slots=True)
class RawWebSocket:
    """The client's side of a WebSocket, after the handshake."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def next(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        async with asyncio.timeout(PATIENCE):
            head, length = await self.reader.readexactly(2)
            if more := {126: 2, 127: 8}.get(length, 0):
                length = int.from_bytes(await self.reader.readexactly(more), "big")
            payload = await self.reader.readexactly(length)
        return head & 15, payload

    async def message(self) -> Any:
        """Return the next message."""
        opcode, payload = await self.next()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    async def sign_in(self, token: str) -> None:
        """Send `connection_init` and wait for its acknowledgement."""
        self.writer.write(init(token))
        assert await self.message() == {"type": "connection_ack"}

    async def closing(self) -> int:
        """Return the code with which the server closes; skip earlier messages."""
        async with asyncio.timeout(PATIENCE):
            while (sent := await self.next())[0] != CLOSE:
                pass
        return int.from_bytes(sent[1][:2], "big")


@asynccontextmanager
async def raw_websocket(port: int) -> AsyncIterator[RawWebSocket]:
    """Open a local WebSocket that offers compression; it is aborted at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(_HANDSHAKE.format(key=key).encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert b"permessage-deflate" not in answer
        yield RawWebSocket(reader, writer)
    finally:
        writer.transport.abort()


# Forbidden frames, and the close code for each.
ABUSES: Mapping[str, tuple[bytes, int]] = {
    "binary": (frame(BINARY, b'{"type": "ping"}'), 4400),
    "no JSON": (frame(TEXT, b"{"), 4400),
    "empty": (frame(TEXT), 4400),
    "unknown type": (text({"type": "nonsense"}), 4400),
    "type of ours": (text({"type": "next", "id": "1", "payload": {}}), 4400),
    "opened again and again": (init("ada") * 2, 4429),
    "huge": (frame(TEXT, b"x" * 300_000), 1009),
    "said to be huge": (frame(TEXT, b"x", claimed=2**62), 1009),
    "huge in parts": (
        frame(TEXT, b"x" * 100_000, final=False)
        + frame(CONTINUATION, b"x" * 100_000, final=False) * 2,
        1009,
    ),
    "bomb": (bomb(), 1002),
    "packed nonsense": (frame(TEXT, b"\xff" * 8, reserved=4), 1002),
    "not masked": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"{}", reserved=2), 1002),
    "unknown opcode": (frame(3), 1002),
    "continues nothing": (frame(CONTINUATION, b"{}"), 1002),
    "begins twice": (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "ping in parts": (frame(PING, b"x", final=False), 1002),
    "closes without a code": (frame(CLOSE, b"x"), 1002),
    "closes with a reserved code": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "closes in broken UTF-8": (frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
}
BROKEN_UTF8: Mapping[str, bytes] = {
    "whole": frame(TEXT, b"\xff\xfe"),
    "in parts": frame(TEXT, b"\xe2", final=False) + frame(CONTINUATION, b"\x82"),
}
