"""The hub at `/`: its pages and files; other routes are unchanged."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from opsrun.api import hub
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.conftest import settings_for
from tests.gql.api import running_api

PAGE = "<!doctype html><title>Hub</title>" + "<!-- -->" * 100
SCRIPT = "assets/index-Bx3kq0aZ.js"
CODE = "console.log('hub');\n" * 10_000
PAGES = ("/", "/t/aurora", "/t/aurora/operations/T3BlcmF0aW9uUnVu", "/t/a/scopes/v1.2", "/sign-in")
ABSENT = (
    *("/assets", "/assets/", "/assets/index-old.js", "/assets/deeper/x", "/favicon.ico"),
    *("/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built hub, beside a file that must not be served."""
    place = tmp_path_factory.mktemp("hub")
    (place / "secret.txt").touch()
    (place / "build" / "assets").mkdir(parents=True)
    (place / "build" / "index.html").write_text(PAGE)
    (place / "build" / SCRIPT).write_text(CODE)
    return place / "build"


@pytest.fixture(scope="module")
def settings(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    data = tmp_path_factory.mktemp("data")
    return settings_for(logins[Login.API], servers.redis_url, data)


@pytest.fixture(scope="module")
async def http(settings: Settings, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API with the hub."""
    async with running_api(settings.model_copy(update={"hub_folder": folder})) as api:
        yield api.http


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_served_by_the_hub(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ABSENT)
async def test_a_missing_file_is_404(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert "immutable" not in response.headers.get("cache-control", "")


async def test_a_file_with_a_hashed_name_is_cached_forever(http: httpx.AsyncClient) -> None:
    response = await http.get(f"/{SCRIPT}")
    assert (response.status_code, response.text) == (200, CODE)
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/", "/t/aurora", f"/{SCRIPT}"])
async def test_every_response_has_a_strict_content_security_policy(
    http: httpx.AsyncClient, path: str
) -> None:
    response = await http.get(path)
    graphiql = await http.get("/graphiql/")
    for name in ("content-security-policy", "referrer-policy", "x-content-type-options"):
        assert response.headers[name] == graphiql.headers[name]
    policy = response.headers["content-security-policy"].split("; ")
    assert policy[:2] == ["default-src 'self'", "connect-src 'self'"]
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/t/aurora", f"/{SCRIPT}"])
async def test_an_unchanged_file_is_not_sent_again(http: httpx.AsyncClient, path: str) -> None:
    first = await http.get(path)
    again = await http.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == first.headers["cache-control"]
    head = await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize("path", ["/", "/t/aurora", f"/{SCRIPT}"])
async def test_files_are_compressed_on_request(http: httpx.AsyncClient, path: str) -> None:
    small = await http.get(path, headers={"Accept-Encoding": "br, gzip"})
    large = await http.get(path, headers={"Accept-Encoding": "identity"})
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in large.headers
    assert small.content == large.content
    assert small.num_bytes_downloaded < large.num_bytes_downloaded / 3
    assert small.headers["vary"] == large.headers["vary"] == "Accept-Encoding"


async def test_other_routes_stay_as_they_are(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).status_code == 200
    for path in ("/graphiql", "/graphiql/"):
        page = await http.get(path, follow_redirects=True)
        assert "<title>Opsrun GraphQL API</title>" in page.text
    query = {"query": "{ viewer { name } }", "padding": "x" * 1000}
    refused = await http.post("/graphql", json=query, headers={"Accept-Encoding": "gzip"})
    assert refused.status_code == 401
    assert "content-encoding" not in refused.headers


async def test_pages_allow_only_read_methods(http: httpx.AsyncClient) -> None:
    assert (await http.post("/t/aurora", json={})).status_code == 405
    with pytest.raises(InvalidStatus):
        await connect(f"ws://{http.base_url.netloc.decode()}/t/aurora", proxy=None)


async def test_without_a_setting_the_hub_of_this_version_is_served(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "FILES", folder)
    async with running_api(settings) as api:
        assert (await api.http.get("/")).text == PAGE


async def test_without_a_hub_the_start_page_is_graphiql(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "FILES", tmp_path)
    async with running_api(settings) as api:
        start_page = await api.http.get("/", follow_redirects=True)
        assert (start_page.status_code, start_page.url.path) == (200, "/graphiql/")
        assert (await api.http.get("/t/aurora")).status_code == 404
