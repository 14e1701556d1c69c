"""The servers and resources that the tests of a package share."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from domain.runs.execution import RunClaimer
from domain.runs.operations import Operations
from domain.runs.starting import RunStarter
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources
from opsrun.settings import PREFIX, Settings
from workers.producers import load_producers
from workers.runner import RunRunner

_MAX_ACTIVE_RUNS = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installation:
    """A migrated database, and the resources of each kind of process."""

    loop: asyncio.Runner
    settings: Mapping[Login, Settings]
    resources: Mapping[Login, Resources]
    operations: Operations
    worker: RunRunner

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work on the installation's event loop, and return its result."""
        return self.loop.run(work)

    def worker_variables(self) -> dict[str, str]:
        """Return the environment variables of a worker process."""
        settings = self.settings[Login.WORKER]
        return {
            f"{PREFIX}DATABASE_URL": settings.require_database_url(),
            f"{PREFIX}REDIS_URL": settings.require_redis_url(),
        }


@asynccontextmanager
async def open_installation(folder: Path, loop: asyncio.Runner) -> AsyncIterator[Installation]:
    """Start embedded servers with their data in `folder`, and open all resources.

    Raises:
        EmbeddedServerError: a server is not installed, or cannot start.
        DeclarationError: an installed package declares a run type wrongly.
    """
    producers = load_producers()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded_servers(folder, durable=False))
        urls = await provision(await create_database(servers.postgres_url), b"opsrun.testing")
        settings = {
            login: Settings.model_validate({"database_url": url, "redis_url": servers.redis_url})
            for login, url in urls.items()
        }
        resources = {
            login: await stack.enter_async_context(open_resources(settings[login], login))
            for login in urls
        }
        api, worker = resources[Login.API], resources[Login.WORKER]
        starter = RunStarter(api.transactions, api.wakeups, max_active_runs=_MAX_ACTIVE_RUNS)
        claimer = RunClaimer(worker.transactions, worker.wakeups, owner="opsrun.testing")
        yield Installation(
            loop,
            settings,
            resources,
            Operations(api.transactions, starter),
            RunRunner(
                claimer,
                producers,
                lease=settings[Login.WORKER].lease,
                run_timeout=timedelta(seconds=settings[Login.WORKER].run_timeout_seconds),
            ),
        )
