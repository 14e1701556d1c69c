"""Requests to Graph: signed in, within the budgets, retried, and followed to the last page."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from domain.inventory.provider import ProviderCall
from domain.tenancy.providers import GraphSettings
from workers.providers.graph.areas import WINDOW, Area
from workers.providers.graph.connections import GRAPH, GraphConnections
from workers.providers.graph.failures import gave_up, refused, unexpected
from workers.providers.graph.retries import MAX_TRIES, RETRIED, is_limited, seconds_to_wait

logger = logging.getLogger(__name__)

NEXT_LINK = "@odata.nextLink"
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_REQUEST_ID = 100
# Requests of one call at a time: enough for the limits, and a bound on memory.
_AT_A_TIME = 8
# Seconds for a whole answer, however slowly its parts arrive.
_LONGEST_ANSWER = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of Graph, alone or as a part of a batch; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any
    request_id: str = "unknown"

    @property
    def code(self) -> object:
        """The code of the error in it, if any."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return error.get("code") if isinstance(error, dict) else None

    def require_object(self, path: str) -> dict[str, Any]:
        """Return the body; raise PROVIDER_UNAVAILABLE unless it is an object."""
        if not isinstance(self.body, dict):
            raise unexpected(path, "is not a JSON object")
        return self.body


class GraphClient:
    """Reads Graph on behalf of one run, or of maintenance.

    async for policies in client.pages("beta/deviceManagement/configurationPolicies", Area.CATALOG):
        ...
    """

    def __init__(
        self, settings: GraphSettings, call: ProviderCall, connections: GraphConnections = GRAPH
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._endpoints = connections.endpoints(settings)
        self.call = call
        app = f"{self._endpoints.graph}\n{settings.tenant}\n{settings.client}".lower()
        self.app = hashlib.sha256(app.encode()).hexdigest()
        """Identifies the app and its Entra tenant."""
        self._turns = {area: asyncio.Lock() for area in Area}
        self._sending = asyncio.Semaphore(_AT_A_TIME)
        self._token: str | None = None
        self._rejected: str | None = None

    async def get(self, path: str, area: Area) -> dict[str, Any]:
        """Return the object at a path that begins with the version, such as `beta/…`.

        Raises:
            GraphError: Graph refused it: PROVIDER_UNAUTHORIZED or PROVIDER_REFUSED.
            ProducerError: PROVIDER_UNAVAILABLE after the last try.
        """
        return await self._read("GET", self._url(path), path, area)

    async def post(self, path: str, body: Any, area: Area, requests: int) -> dict[str, Any]:
        """Return the answer to a POST that only reads and counts as `requests`; see `get`."""
        return await self._read("POST", self._url(path), path, area, body, requests)

    async def pages(
        self, path: str, area: Area, *, first: dict[str, Any] | None = None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the members of a list, page by page, up to its end; `first` is a page that is read.

        Raises:
            GraphError, ProducerError: as `get` does; PROVIDER_UNAVAILABLE also if a link to the
                next page leads to another host, or to a page that was read.
        """
        page = first if first is not None else await self.get(path, area)
        seen = {_digest(self._url(path))}
        while True:
            yield members(page, path)
            link = page.get(NEXT_LINK)
            if link is None:
                return
            url = self.own_link(link, path)
            digest = _digest(url)
            if digest in seen:
                raise unexpected(short_path(path), "links to a page that was read already")
            seen.add(digest)
            page = await self._read("GET", url, path, area)

    def own_link(self, link: object, path: str) -> str:
        """Return a link of Graph as a URL; raise unless it leads to the same Graph and version.

        The token must not travel to another host.
        """
        root = f"{self._endpoints.graph}/{path.partition('/')[0]}/"
        url = link if isinstance(link, str) else ""
        try:
            # As httpx sends it, without `/../`.
            sent = str(httpx.URL(url))
        except (httpx.InvalidURL, ValueError):
            sent = ""
        if not url.startswith(root) or not sent.startswith(root):
            raise unexpected(short_path(path), "links to a page of another host")
        return url

    def renew_token(self) -> None:
        """Use another token from now on, because Graph rejected this one."""
        self._rejected = self._token

    def _url(self, path: str) -> str:
        return f"{self._endpoints.graph}/{path}"

    async def _read(
        self, method: str, url: str, path: str, area: Area, body: Any = None, requests: int = 1
    ) -> dict[str, Any]:
        short, tries = short_path(path), 0
        while True:
            tries += 1
            answer = await self._send(method, url, body, area, requests, short)
            if answer.status == 200:
                return answer.require_object(short)
            self.require_retry(answer, short, tries)
            await self.wait(answer, area, tries)

    def require_retry(self, answer: Answer, path: str, tries: int) -> None:
        """Raise GraphError or ProducerError unless a request may be tried again."""
        request = f"(request-id {answer.request_id})"
        if answer.status and answer.status not in RETRIED:
            logger.warning("Graph answered %s with %d %s", path, answer.status, request)
            raise refused(path, answer.status, answer.code, answer.request_id)
        if tries >= MAX_TRIES:
            what = f"{answer.status} {request}" if answer.status else "the connection failed"
            logger.warning("Graph did not answer %s: %s", path, what)
            raise gave_up(path, what, tries)

    async def wait(self, answer: Answer, area: Area, tries: int) -> None:
        """Wait until a request that failed `tries` times may be tried again."""
        seconds = seconds_to_wait(answer.headers, tries)
        if is_limited(answer.status):
            await self.call.budgets.close(self.app, area, seconds)
            reason = f"Microsoft Graph limits the requests for {area}."
        else:
            reason = "Microsoft Graph is tried again in a moment."
        await self.call.wait(seconds, reason)

    async def _send(
        self, method: str, url: str, body: Any, area: Area, requests: int, path: str
    ) -> Answer:
        """Send one HTTP request that counts as `requests`; its status is 0 without an answer.

        A token that Graph rejects is renewed once.
        """
        is_renewed = False
        while True:
            self._token = token = await self._connections.tokens.token(
                self._settings, self._endpoints, self.call, rejected=self._rejected
            )
            # It takes from the budget last, because what it takes must be sent at once.
            async with self._sending:
                await self._take(area, requests)
                answer = await self._exchange(method, url, body, token, path)
            if answer.status != 401 or is_renewed:
                return answer
            self._rejected, is_renewed = token, True

    async def _take(self, area: Area, requests: int) -> None:
        # One at a time, so that requests go on in the order in which they came.
        async with self._turns[area]:
            while seconds := await self.call.budgets.take(
                self.app, area, requests, limit=area.limit, window=WINDOW
            ):
                await self.call.wait(
                    seconds, f"The budget of requests to Microsoft Graph for {area} is used up."
                )

    async def _exchange(self, method: str, url: str, body: Any, token: str, path: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {token}",
            "client-request-id": str(self.call.request_id),
            "Accept": "application/json",
        }
        try:
            async with (
                asyncio.timeout(_LONGEST_ANSWER),
                self._connections.http.stream(method, url, json=body, headers=headers) as response,
            ):
                content = await _content(response, path)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError):
            # Its text may hold the URL, which may be signed.
            return Answer(0, {}, None)
        names = {name.lower(): value for name, value in response.headers.items()}
        request_id = names.get("request-id", "unknown")[:MAX_REQUEST_ID]
        try:
            parsed = orjson.loads(content) if content else None
        except orjson.JSONDecodeError:
            if response.status_code == 200:
                raise unexpected(path, "is not JSON") from None
            parsed = None
        return Answer(response.status_code, names, parsed, request_id)


def _digest(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()


async def _content(response: httpx.Response, path: str) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise unexpected(path, f"is larger than {MAX_ANSWER_BYTES // 1024**2} MiB")
        pieces.append(piece)
    return b"".join(pieces)


def members(page: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
    """Return the members on a page of a list; raise PROVIDER_UNAVAILABLE for anything else."""
    value = page.get("value")
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise unexpected(short_path(path), "is not a list of objects")
    return value


def short_path(path: str) -> str:
    """Return a path without its query, for messages."""
    return path.partition("?")[0]


def key_in_path(key: str) -> str:
    """Return a key for a path, so that it leads to nothing else."""
    return quote(key, safe="")
