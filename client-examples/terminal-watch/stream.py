"""A tenant's changing runs over server-sent events, continued by cursor after every cut."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from opsrun_client.async_base_client import Response
from opsrun_client.client import OpsrunClient
from opsrun_client.exceptions import (
    GraphQLClientError,
    GraphQLClientGraphQLMultiError,
    GraphQLClientHttpError,
)
from opsrun_client.feed import (
    FeedEventFeedHeartbeat,
    FeedEventFeedReset,
    FeedEventOperationRunChanged,
)
from opsrun_client.input_types import OperationRunFilter

# All in seconds. A quiet feed sends a comment every 12 s and a heartbeat every 15 s. A connection
# that is silent for longer than SILENCE was cut, even if we received no error.
SILENCE = 20.0
CONNECTING = 10.0
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0

Event = FeedEventFeedReset | FeedEventOperationRunChanged | FeedEventFeedHeartbeat


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection broke, for a reason; the next try follows after `pause` seconds."""

    reason: str
    pause: float


class SseClient(OpsrunClient):
    """The generated client, with subscriptions over server-sent events instead of WebSocket."""

    async def execute_ws(
        self,
        query: str,
        operation_name: str | None = None,
        variables: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the data of each result, as graphql-sse sends it in distinct connections mode."""
        body = {
            "query": query,
            "operationName": operation_name,
            "variables": self._convert_dict_to_json_serializable(variables or {}),
        }
        timeout = httpx.Timeout(CONNECTING, read=SILENCE)
        async with (
            httpx.AsyncClient(headers=self.headers, timeout=timeout) as http,
            aconnect_sse(http, "POST", self.url, json=body, **kwargs) as source,
        ):
            if "text/event-stream" not in source.response.headers.get("Content-Type", ""):
                await source.response.aread()
                self.get_data(source.response)
            async for event in source.aiter_sse():
                if event.event == "next":
                    yield self.get_data(httpx.Response(200, text=event.data))

    def get_data(self, response: Response) -> dict[str, Any]:
        """Return the data. Opsrun's own errors take precedence over the HTTP status."""
        with suppress(ValueError, LookupError, TypeError):
            errors = response.json()["errors"]
            raise GraphQLClientGraphQLMultiError.from_errors_dicts(errors)
        return super().get_data(response)


# The database is away, or the user's budget is used up.
MAY_PASS = ("UNAVAILABLE", "RATE_LIMITED")


def passes(error: Exception) -> bool:
    """Return whether the server may answer differently later."""
    if isinstance(error, GraphQLClientGraphQLMultiError):
        return all((one.extensions or {}).get("code") in MAY_PASS for one in error.errors)
    if isinstance(error, GraphQLClientHttpError):
        return error.status_code >= 500
    return isinstance(error, httpx.TransportError)


async def follow(
    client: SseClient, tenant_id: str, run_filter: OperationRunFilter
) -> AsyncIterator[Event | Cut]:
    """Yield every event once, without end, and a `Cut` whenever the connection breaks.

    Raises:
        GraphQLClientError: the server refuses.
    """
    cursor: str | None = None
    pause = FIRST_PAUSE
    while True:
        reason = "the stream ended"
        try:
            async for message in client.feed(tenant_id, run_filter, cursor):
                event = message.event
                cursor, pause = event.cursor, FIRST_PAUSE
                yield event
        except (httpx.TransportError, GraphQLClientError) as error:
            if not passes(error):
                raise
            reason = str(error) or type(error).__name__
        cut = Cut(reason, pause * random.uniform(0.5, 1))  # noqa: S311 - not a secret
        pause = min(LONGEST_PAUSE, pause * 2)
        yield cut
        await asyncio.sleep(cut.pause)
