"""GraphQL over HTTP, sockets and server-sent events, by clients who expect the worst."""

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

from crash.customers import Customer
from crash.witness import Promise, Witness

PATH = "/graphql"
_RESPONSE_JSON = "application/graphql-response+json"
_ANSWER_SECONDS = 12.0
# Streams send something every 15 seconds.
_SILENCE_SECONDS = 20.0
# Codes after which the library graphql-ws does not connect again (its lib/client.js).
_FINAL = {1002, 1003, 1007, 1008, 1009, 1010, 4004, 4005, 4400, 4401, 4406, 4409, 4429, 4500}
# So that a client that does not read is felt by the server soon.
_SMALL_BUFFER = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
_PASSING = {"UNAVAILABLE", "LIMIT_EXCEEDED"}
_BROKEN = (OSError, TimeoutError, httpx.TransportError, WebSocketException, InvalidHandshake)


class Transport(StrEnum):
    """What carries a subscription."""

    SOCKET = "socket"
    SSE = "sse"


class UnansweredError(Exception):
    """The connection broke, or the server could not do it now: try again."""


class RefusedError(Exception):
    """The server does not want this from this client."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Clients:
    """Whoever asks the APIs; each request goes to one of them."""

    def __init__(self, urls: list[str], witness: Witness, random: Random) -> None:
        self._urls = urls
        self._witness = witness
        self._random = random
        transport = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            socket_options=[_SMALL_BUFFER],
        )
        timeout = httpx.Timeout(_ANSWER_SECONDS, connect=5.0)
        self._http = httpx.AsyncClient(timeout=timeout, transport=transport)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def ask(self, customer: Customer, query: str, **variables: Any) -> Any:
        """Return the data of a query or mutation.

        Raises:
            UnansweredError, RefusedError.
        """
        try:
            response = await self._http.post(
                self._url(),
                json={"query": query, "variables": variables},
                headers={**customer.headers, "Accept": _RESPONSE_JSON},
            )
        except _BROKEN as error:
            self._witness.counts["unanswered"] += 1
            raise UnansweredError(repr(error)) from error
        customer.inspect(response.text, self._witness)
        try:
            return self._data(json.loads(response.text))
        except json.JSONDecodeError as error:
            told = f"{customer.slug} was answered {response.status_code}: {response.text[:100]}"
            self._witness.violation(Promise.ANSWERS, told)
            raise UnansweredError(told) from error

    async def stream(
        self, customer: Customer, transport: Transport, query: str, variables: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield what a subscription's one field sends, until it is complete.

        Raises:
            UnansweredError, RefusedError.
        """
        payload = {"query": query, "variables": variables}
        listen = self._socket if transport is Transport.SOCKET else self._events
        try:
            async with aclosing(listen(customer, payload)) as frames:
                async for frame in frames:
                    (value,) = self._data(frame).values()
                    yield value
        except _BROKEN as error:
            if isinstance(error, ConnectionClosed) and error.rcvd is not None:
                self._closed(customer, error.rcvd)
            raise UnansweredError(repr(error)) from error

    def _closed(self, customer: Customer, close: Close) -> None:
        self._witness.counts[f"sockets closed with {close.code}"] += 1
        if close.code in _FINAL:
            told = f"{customer.slug} was told not to come back: {close.code} {close.reason}"
            self._witness.violation(Promise.ANSWERS, told)

    async def _socket(
        self, customer: Customer, payload: Mapping[str, Any]
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
        ) as wire:
            await wire.send(json.dumps({"type": "connection_init", "payload": customer.headers}))
            await wire.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            while True:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    frame = str(await wire.recv())
                customer.inspect(frame, self._witness)
                message = json.loads(frame)
                match message["type"]:
                    case "next":
                        yield message["payload"]
                    case "error":
                        yield {"errors": message["payload"]}
                    case "complete":
                        return

    async def _events(
        self, customer: Customer, payload: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        headers = {**customer.headers, "Accept": "text/event-stream"}
        timeout = httpx.Timeout(_SILENCE_SECONDS, connect=5.0)
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
                    customer.inspect(text, self._witness)
                    yield json.loads(text)
        raise UnansweredError("the stream ended without a completion")

    def _data(self, body: Mapping[str, Any]) -> Any:
        if errors := body.get("errors"):
            code = errors[0].get("extensions", {}).get("code", "none")
            message = errors[0]["message"]
            if code in _PASSING:
                self._witness.counts["unanswered"] += 1
                raise UnansweredError(message)
            raise RefusedError(code, message)
        return body["data"]

    def refused(self, customer: Customer, error: RefusedError) -> None:
        """Note that the server refused what it should have done."""
        self._witness.violation(Promise.ANSWERS, f"{customer.slug}: {error}")

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
