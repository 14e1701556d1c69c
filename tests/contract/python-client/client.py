"""Scenarios for clients with the Python package `gql`, at the endpoint OPSRUN_URL.

Prints facts as lines of JSON: `python client.py TRANSPORT asking|watching [TENANT]`.
"""

import asyncio
import json
import os
import sys
from typing import Any

from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

from gql import Client, gql
from gql.transport.requests import RequestsHTTPTransport

URL, TOKEN = os.environ["OPSRUN_URL"], os.environ["OPSRUN_TOKEN"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
WEBSOCKET = {
    "url": URL.replace("http", "ws", 1),
    "init_payload": {"authorization": f"Bearer {TOKEN}"},
}
TRANSPORTS: dict[str, Any] = {
    "aiohttp": lambda: AIOHTTPTransport(url=URL, headers=HEADERS),
    "httpx": lambda: HTTPXTransport(url=URL, headers=HEADERS),
    "httpx_async": lambda: HTTPXAsyncTransport(url=URL, headers=HEADERS),
    "requests": lambda: RequestsHTTPTransport(url=URL, headers=HEADERS),
    "websockets": lambda: WebsocketsTransport(**WEBSOCKET),
    "aiohttp_websockets": lambda: AIOHTTPWebsocketsTransport(**WEBSOCKET),
}
VIEWER = "query Viewer { viewer { name } }"
FEED = """subscription Feed($tenant: ID!) { operationRuns(tenantId: $tenant) {
  __typename ... on OperationRunChanged { run { id } } } }"""


def ask(client: Client) -> None:
    """Query a field that exists, and one that does not."""
    report(name=client.execute(gql(VIEWER))["viewer"]["name"])
    try:
        client.execute(gql("{ nothing }"))
    except TransportQueryError as error:
        report(codes=[each["extensions"]["code"] for each in error.errors])


async def watch(client: Client, tenant: str) -> None:
    """Report the events of a feed until the test ends the process."""
    document = gql(FEED)
    document.variable_values = {"tenant": tenant}
    async with client as session:
        async for event in session.subscribe(document):
            change = event["operationRuns"]
            report(kind=change["__typename"], run=change.get("run", {}).get("id"))


def report(**facts: object) -> None:
    """Print one line for the test."""
    print(json.dumps(facts), flush=True)  # noqa: T201


def main(transport: str, scenario: str, *arguments: str) -> None:
    """Run a scenario over a transport."""
    client = Client(transport=TRANSPORTS[transport]())
    if scenario == "asking":
        ask(client)
    else:
        asyncio.run(watch(client, *arguments))


main(*sys.argv[1:])
