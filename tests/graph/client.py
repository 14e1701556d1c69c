"""A plain client of Graph for the tests of the double: no retries, no limits."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.graph.double import Double
from tests.graph.tokens import Cloud


@asynccontextmanager
async def open_http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client that trusts the double and has no token."""
    trust = ssl.create_default_context(cafile=str(double.ca_file))
    async with httpx.AsyncClient(verify=trust, base_url=double.url) as http:
        yield http


async def request_token(
    http: httpx.AsyncClient, double: Double, cloud: Cloud | None = None, /, **form: str
) -> httpx.Response:
    """Ask the cloud's token endpoint, with the secret unless the form says otherwise."""
    cloud = cloud or double.clouds["global"]
    credential = {} if "client_assertion" in form else {"client_secret": double.tokens.secret}
    return await http.post(
        f"{cloud.url}/{double.tokens.tenant_id}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": double.tokens.client_id,
            "scope": f"{cloud.audience}/.default",
            **credential,
            **form,
        },
    )


@asynccontextmanager
async def signed_in(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client with a token of the global cloud."""
    async with open_http(double) as http:
        answer = await request_token(http, double)
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield http


async def read_all(http: httpx.AsyncClient, url: str) -> Sequence[dict[str, Any]]:
    """Return the members of a list from all its pages."""
    items: list[dict[str, Any]] = []
    link: str | None = url
    while link is not None:
        answer = await http.get(link)
        assert answer.status_code == 200, answer.text
        items += answer.json()["value"]
        link = answer.json().get("@odata.nextLink")
    return items
