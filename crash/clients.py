"""GraphQL clients over HTTP, WebSockets and event streams, which expect connections to break."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from enum import StrEnum
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.frames import Close
from websockets.typing import Subprotocol

from crash.members import Member
from crash.witness import Promise, Witness

PATH = "/graphql"
_RESPONSE_JSON = "application/graphql-response+json"
_RESPONSE_SECONDS = 12.0
# Streams send something every 15 seconds.
_IDLE_SECONDS = 20.0
# After these codes, the graphql-ws library does not reconnect (its lib/client.js).
_FATAL_CODES = {1002, 1003, 1007, 1008, 1009, 1010, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500}
# A full buffer shows the server soon that a client does not read.
_SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
_RETRYABLE = {"UNAVAILABLE", "LIMIT_EXCEEDED"}
_CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    httpx.TransportError,
    WebSocketException,
    InvalidHandshake,
)


class Transport(StrEnum):
    """The transport of a subscription."""

    WEBSOCKET = "websocket"
    EVENT_STREAM = "event stream"


class RetryableError(Exception):
    """The connection broke, or the server is temporarily unavailable."""


class RefusedError(Exception):
    """The API refused the operation."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Clients:
    """Send each operation to one of the APIs, at random."""

    def __init__(self, urls: list[str], witness: Witness, random: Random) -> None:
        self._urls = urls
        self._witness = witness
        self._random = random
        transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            socket_options=[_SMALL_BUFFER],
        )
        timeout = httpx.Timeout(_RESPONSE_SECONDS, connect=5.0)
        self._http = httpx.AsyncClient(timeout=timeout, transport=transport)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def execute(self, member: Member, query: str, **variables: Any) -> Any:
        """Return the data of a query or mutation.

        Raises:
            RetryableError: there is no response, or a retry may succeed.
            RefusedError: the response has other errors.
        """
        try:
            response = await self._http.post(
                self._url(),
                json={"query": query, "variables": variables},
                headers={**member.headers, "Accept": _RESPONSE_JSON},
            )
        except _CONNECTION_ERRORS as error:
            self._witness.counts["retryable errors"] += 1
            raise RetryableError(repr(error)) from error
        member.inspect(response.text, self._witness)
        try:
            return self._data(json.loads(response.text))
        except json.JSONDecodeError as error:
            evidence = f"{member.slug} received {response.status_code}: {response.text[:100]}"
            self._witness.violation(Promise.ANSWERS, evidence)
            raise RetryableError(evidence) from error

    async def stream(
        self, member: Member, transport: Transport, query: str, variables: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield the values of a subscription's one field until the server completes it.

        Raises:
            RetryableError: the connection broke, or a retry may succeed.
            RefusedError: the server sent other errors.
        """
        payload = {"query": query, "variables": variables}
        listen = self._websocket if transport is Transport.WEBSOCKET else self._event_stream
        try:
            async with aclosing(listen(member, payload)) as frames:
                async for frame in frames:
                    (value,) = self._data(frame).values()
                    yield value
        except _CONNECTION_ERRORS as error:
            if isinstance(error, ConnectionClosed) and error.rcvd is not None:
                self._check_close(member, error.rcvd)
            raise RetryableError(repr(error)) from error

    def _check_close(self, member: Member, close: Close) -> None:
        self._witness.counts[f"WebSockets closed with {close.code}"] += 1
        if close.code in _FATAL_CODES:
            evidence = f"{member.slug} may not reconnect: {close.code} {close.reason}"
            self._witness.violation(Promise.ANSWERS, evidence)

    async def _websocket(
        self, member: Member, payload: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        url = self._url()
        async with connect(
            url.replace("http", "ws", 1),
            sock=await _connection(url),
            max_queue=1,
            subprotocols=[Subprotocol("graphql-transport-ws")],
            proxy=None,
            open_timeout=5,
            close_timeout=1,
            ping_interval=5,
            ping_timeout=10,
        ) as websocket:
            await websocket.send(json.dumps({"type": "connection_init", "payload": member.headers}))
            await websocket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    frame = str(await websocket.recv())
                member.inspect(frame, self._witness)
                message = json.loads(frame)
                match message["type"]:
                    case "next":
                        yield message["payload"]
                    case "error":
                        yield {"errors": message["payload"]}
                    case "complete":
                        return

    async def _event_stream(
        self, member: Member, payload: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        headers = {**member.headers, "Accept": "text/event-stream"}
        timeout = httpx.Timeout(_IDLE_SECONDS, connect=5.0)
        async with self._http.stream(
            "POST", self._url(), json=payload, headers=headers, timeout=timeout
        ) as response:
            if response.status_code != httpx.codes.OK:
                yield json.loads(await response.aread())
                return
            kind = ""
            async for line in response.aiter_lines():
                name, _, text = line.partition(":")
                if name == "event":
                    kind = text.strip()
                elif name == "data" and kind == "complete":
                    return
                elif name == "data":
                    member.inspect(text, self._witness)
                    yield json.loads(text)
        raise RetryableError("the stream ended without a completion")

    def _data(self, body: Mapping[str, Any]) -> Any:
        if errors := body.get("errors"):
            code = errors[0].get("extensions", {}).get("code", "none")
            message = errors[0]["message"]
            if code in _RETRYABLE:
                self._witness.counts["retryable errors"] += 1
                raise RetryableError(message)
            raise RefusedError(code, message)
        return body["data"]

    def record_refusal(self, member: Member, error: RefusedError) -> None:
        """Record that the API refused an operation that it should have executed."""
        self._witness.violation(Promise.ANSWERS, f"{member.slug}: {error}")

    def _url(self) -> str:
        return self._random.choice(self._urls) + PATH


async def _connection(url: str) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(*_SMALL_BUFFER)
    connection.setblocking(False)
    try:
        address = ("127.0.0.1", urlsplit(url).port)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
