"""GraphiQL is served from local files only."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import gql.transport
from tests.gql.transport.demo import PATH, Demo, client

FOLDER = Path(gql.transport.__file__).with_name("graphiql_files")
FILES = sorted(path.name for path in FOLDER.iterdir())
OWN = ("index.html", "opsrun.css", "opsrun.js", "welcome.graphql")


@pytest.fixture(scope="module")
async def http(demo: Demo) -> AsyncIterator[httpx.AsyncClient]:
    async with client(demo, user=None) as opened:
        yield opened


@pytest.mark.parametrize("path", [PATH, "/graphiql", "/graphiql/"])
async def test_a_browser_opens_the_page_without_a_token(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path, headers={"Accept": "text/html"}, follow_redirects=True)
    assert response.status_code == 200
    assert response.url.path == "/graphiql/"
    assert response.headers["content-type"].startswith("text/html")
    assert "<title>Opsrun GraphQL API</title>" in response.text


async def test_the_page_needs_only_local_files(http: httpx.AsyncClient) -> None:
    page = (await http.get("/graphiql/")).text
    references = [name for name in re.findall(r'(?:src|href)="([^"]*)"', page) if name != "data:,"]
    assert len(references) == 7
    fetched = re.findall(r'fetch\("([^"]*)"\)', (FOLDER / "opsrun.js").read_text())
    for name in (*references, *fetched):
        assert (await http.get(f"/graphiql/{name}")).status_code == 200


@pytest.mark.parametrize("name", FILES)
async def test_every_file_is_served_under_a_strict_policy(
    http: httpx.AsyncClient, name: str
) -> None:
    response = await http.get(f"/graphiql/{name}")
    assert response.status_code == 200
    assert response.content == (FOLDER / name).read_bytes()
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    if name.endswith((".js", ".css")):
        kind = "javascript" if name.endswith(".js") else "css"
        assert response.headers["content-type"].startswith(f"text/{kind}")


async def test_a_file_is_sent_once(http: httpx.AsyncClient) -> None:
    first = await http.get("/graphiql/graphiql.min.js")
    headers = {"If-None-Match": first.headers["etag"]}
    again = await http.get("/graphiql/graphiql.min.js", headers=headers)
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["..%2fhttp.py", "%2e%2e/http.py", "nothing.js", ".."])
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(f"/graphiql/{path}")
    assert response.status_code == 404


@pytest.mark.parametrize("name", OWN)
def test_the_files_name_no_other_host(name: str) -> None:
    assert "://" not in (FOLDER / name).read_text()


def test_the_style_sheet_loads_nothing() -> None:
    css = (FOLDER / "graphiql.min.css").read_text()
    assert all(url.startswith("data:image/") for url in re.findall(r"url\(([^)]*)\)", css))
    assert "@import" not in css


def test_every_third_party_file_has_its_licence() -> None:
    licences = (FOLDER / "LICENSES.md").read_text()
    assert all(f"`{name}`" in licences for name in FILES if name != "LICENSES.md")


def test_the_page_is_small_enough_to_ship() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < 3_000_000
