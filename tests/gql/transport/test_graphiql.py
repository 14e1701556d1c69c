"""GraphiQL is served from local files only."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from graphql import build_schema, parse, validate

import gql.transport
from tests.gql.transport.demo import PATH, Demo, client

FOLDER = Path(gql.transport.__file__).with_name("graphiql_files")
FILES = sorted(path.name for path in FOLDER.iterdir())
SOURCES = FOLDER.parents[2] / "client-examples" / "graphiql"


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
    assert {name.rpartition(".")[2] for name in references} == {"js", "css"}
    for name in references:
        assert name.removeprefix("./") in FILES


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
    assert "blob:" not in policy
    assert "http" not in policy
    if name.endswith((".js", ".css")):
        kind = "javascript" if name.endswith(".js") else "css"
        assert response.headers["content-type"].startswith(f"text/{kind}")


async def test_a_file_is_sent_once(http: httpx.AsyncClient) -> None:
    first = await http.get("/graphiql/index.js")
    headers = {"If-None-Match": first.headers["etag"]}
    again = await http.get("/graphiql/index.js", headers=headers)
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["..%2fhttp.py", "%2e%2e/http.py", "nothing.js", ".."])
async def test_nothing_else_is_served(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(f"/graphiql/{path}")
    assert response.status_code == 404


async def test_scripts_are_compressed_on_request(http: httpx.AsyncClient) -> None:
    response = await http.get("/graphiql/index.js", headers={"Accept-Encoding": "gzip"})
    assert response.num_bytes_downloaded < (FOLDER / "index.js").stat().st_size / 2


def test_the_first_document_fits_the_schema() -> None:
    schema = build_schema((FOLDER.parents[2] / "schema.graphql").read_text())
    assert validate(schema, parse((SOURCES / "src" / "welcome.graphql").read_text())) == []


@pytest.mark.parametrize("path", [SOURCES / "index.html", *SOURCES.glob("src/*")], ids=str)
def test_our_sources_name_no_other_host(path: Path) -> None:
    assert "://" not in path.read_text()


def test_the_style_sheets_load_only_the_font_of_icons() -> None:
    css = "".join(path.read_text() for path in FOLDER.glob("*.css"))
    urls = {url.strip('"') for url in re.findall(r"url\(([^)]*)\)", css)}
    assert {url for url in urls if not url.startswith("data:image/")} == {"./codicon.ttf"}
    assert "@import" not in css


def test_every_bundled_package_has_its_licence() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    licences = (FOLDER / "LICENSES.md").read_text()
    for name in ("graphiql", "monaco-editor", "picomatch-browser", "prettier", "react"):
        assert f"## {name} - {lock[f'node_modules/{name}']['version']} (MIT)" in licences
    assert "MarkedJS" in (FOLDER / "NOTICES.md").read_text()


def test_the_page_is_small_enough_to_ship() -> None:
    assert sum((FOLDER / name).stat().st_size for name in FILES) < 6_000_000
