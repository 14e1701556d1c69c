"""The servers to fuzz, and two tenants that have an object of every kind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from tests.conftest import settings_for
from tests.databases import SECRET, new_database
from tests.fuzz.cases import PLAN
from tests.fuzz.pool import Pool
from tests.fuzz.server import SEATS, Server, serving
from tests.gql.api import running_api
from tests.gql.furnished import furnish
from tests.opsrun.conftest import Installation

TALLY = "tally"
# The settings of both servers. A budget would refuse cases before they are tested.
COMMON = {"LOG_FORMAT": "json", "COST_PER_MINUTE": "1000000000"}
ROOM = {
    "FEDERATION": "true",
    "LIMIT_TOKENS": "100000",
    "LIMIT_FIELDS": "20000",
    "LIMIT_DEPTH": "40",
    "LIMIT_ALIASES": "10000",
    "LIMIT_DUPLICATES": "10000",
    "LIMIT_COST": "1000000",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for more and other cases."""
    group = parser.getgroup("fuzz")
    group.addoption("--examples", type=int, default=0, help="number of cases per test")
    group.addoption("--seed", type=int, default=None, help="draw other cases")


def pytest_configure(config: pytest.Config) -> None:
    """Set the plan before the tests are imported."""
    PLAN.examples = config.getoption("examples", 0)
    PLAN.seed = config.getoption("seed", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of cases and of each kind of response."""
    tallies: dict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.getreports("passed"):
        if report.when == "teardown":
            for name, value in report.user_properties:
                if name == TALLY:
                    tallies[Path(report.fspath).name].update(value)
    for file, tally in tallies.items():
        outcomes = ", ".join(f"{count} {name}" for name, count in tally.most_common())
        terminalreporter.write_line(f"{file}: {outcomes}")


@pytest.fixture(scope="session")
async def fuzzed(
    servers: EmbeddedServers, logins: object, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """A separate database for the fuzz tests. `logins` creates its roles."""
    urls = await provision(await new_database(servers.postgres_url, "fuzz"), SECRET)
    redis_url = servers.redis_url.removesuffix("/0") + "/2"
    return Installation(urls, redis_url, tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="session")
async def pool(fuzzed: Installation, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The objects of two tenants, created before the tests."""
    async with AsyncExitStack() as stack:
        all_settings = {
            login: settings_for(url, fuzzed.redis_url, fuzzed.folder, limit_cost=1_000_000)
            for login, url in fuzzed.urls.items()
        }
        resources: dict[Login, Resources] = {
            login: await stack.enter_async_context(open_resources(settings, login))
            for login, settings in all_settings.items()
        }
        api = await stack.enter_async_context(running_api(all_settings[Login.API]))
        return Pool(
            await furnish(api, resources, tmp_path_factory.mktemp("ours")),
            await furnish(api, resources, tmp_path_factory.mktemp("theirs")),
        )


@pytest.fixture(scope="session")
def strict(
    fuzzed: Installation, tally: Counter[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An API with the default limits, and few connections per user."""
    few = {"CONNECTIONS_PER_USER": str(SEATS), "OPERATIONS_PER_WEBSOCKET": "5"}
    environment = fuzzed.environment(Login.API, **COMMON, **few)
    with serving(environment, tmp_path_factory.mktemp("strict"), tally) as server:
        yield server


@pytest.fixture(scope="session")
def roomy(
    fuzzed: Installation, tally: Counter[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A subgraph whose limits admit large documents."""
    environment = fuzzed.environment(Login.API, **COMMON, **ROOM)
    with serving(environment, tmp_path_factory.mktemp("roomy"), tally) as server:
        yield server


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """The number of responses of each kind to the tests of one file."""
    return Counter()


@pytest.fixture(autouse=True, scope="module")
def tallied(tally: Counter[str]) -> Counter[str]:
    """Count the responses of each file separately."""
    tally.clear()
    return tally


@pytest.fixture(autouse=True)
def reported(
    tallied: Counter[str], record_property: Callable[[str, object], None]
) -> Iterator[None]:
    """Report how this test was answered, from whichever process runs it."""
    before = Counter(tallied)
    yield
    record_property(TALLY, dict(tallied - before))
