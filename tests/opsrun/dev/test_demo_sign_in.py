"""The demo's code signs in its users on this machine only, and never in production."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from domain.tenancy.models import user_id
from opsrun.auth.tokens import LOCAL_ISSUER, local_tokens
from opsrun.dev import demo
from opsrun.dev.demo_sign_in import PATH, is_local_url, sign_in_code, sign_in_route
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.conftest import settings_for
from tests.gql.api import running_api

HERE = "http://127.0.0.1:8000"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"data_folder": tmp_path, "memberships": "claim"})


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=[sign_in_route(settings)]))
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        yield client


@pytest.fixture
def signed(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Demo {sign_in_code(settings)}"}


async def test_the_code_gives_a_token_of_every_demo_user_and_olivias_first(
    http: httpx.AsyncClient, settings: Settings, signed: dict[str, str]
) -> None:
    answer = await http.post(PATH, headers=signed)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    identities = [await local_tokens(settings).verify(one) for one in answer.json()["tokens"]]
    assert [one.user_id for one in identities] == [
        user_id(LOCAL_ISSUER, subject) for subject in demo.USERS
    ]
    assert next(iter(demo.USERS)) == "olivia"
    for subject, identity in zip(demo.USERS, identities, strict=True):
        assert identity.claimed is not None
        assert identity.claimed.roles == {
            tenant.slug: tenant.roles[subject]
            for tenant in (*demo.TENANTS, demo.OWN)
            if subject in tenant.roles
        }


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost"])
async def test_every_name_of_this_machine_is_accepted(
    http: httpx.AsyncClient, signed: dict[str, str], host: str
) -> None:
    page = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert (await http.post(PATH, headers=signed | page)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8000", "Origin": "http://rebound.example:8000"},
        {"Host": "127.0.0.1.rebound.example"},
        {"Host": "[::1"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "https://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_pages_of_other_sites_are_refused_even_with_the_code(
    http: httpx.AsyncClient, signed: dict[str, str], headers: dict[str, str]
) -> None:
    refused = await http.post(PATH, headers=signed | headers)
    assert refused.status_code == 403
    assert "token" not in refused.text
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::7", "unknown", "localhost"])
async def test_another_machine_is_refused_even_with_the_code(
    settings: Settings, signed: dict[str, str], peer: str
) -> None:
    app = Starlette(routes=[sign_in_route(settings)])
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        assert (await client.post(PATH, headers=signed)).status_code == 403


@pytest.mark.parametrize(
    "authorization",
    [None, "Demo", "Demo ", "Demo wrong", "Bearer {code}", "Demo {code}x", "Demo é"],
)
async def test_a_wrong_code_is_refused(
    http: httpx.AsyncClient, settings: Settings, authorization: str | None
) -> None:
    sent = (authorization or "").format(code=sign_in_code(settings)).encode()
    headers = [(b"Authorization", sent)] if authorization is not None else []
    refused = await http.post(PATH, headers=headers)
    assert refused.status_code == 403
    assert "open the address that `opsrun dev` printed" in refused.text


async def test_a_link_or_an_image_of_another_page_reads_nothing(
    http: httpx.AsyncClient, signed: dict[str, str]
) -> None:
    assert (await http.get(PATH, headers=signed)).status_code == 405
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    response = await http.options(PATH, headers=preflight)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


def test_the_code_stays_in_a_folder_and_differs_in_another(tmp_path: Path) -> None:
    codes = [
        sign_in_code(Settings.model_validate({"data_folder": tmp_path / name}))
        for name in ("a", "a", "b")
    ]
    assert codes[0] == codes[1] != codes[2]
    assert [len(code) for code in codes] == [16, 16, 16]


async def test_an_api_of_production_has_no_such_endpoint(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    settings = settings_for(logins[Login.API], servers.redis_url, tmp_path)
    signed = {"Authorization": f"Demo {sign_in_code(settings)}"}
    async with running_api(settings) as api:
        answer = await api.http.post(PATH, headers=signed)
    assert answer.status_code in (404, 405)
    assert "tokens" not in answer.text


@pytest.mark.parametrize(
    ("base", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://0.0.0.0:8000", False),
        ("http://192.0.2.7:8000", False),
        ("https://ops.example", False),
    ],
)
def test_links_are_short_where_they_can_sign_in(base: str, local: bool) -> None:
    assert is_local_url(base) is local
