"""A tenant with a dead export mount blocks neither other tenants nor the worker's shutdown."""

import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, StartedRun
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import export, policy, start_sync
from tests.client import open_http
from tests.ledger import failures, reload
from tests.opsrun.commands import Command, running, until
from tests.opsrun.conftest import Installation
from tests.opsrun.hanging_worker import PIPE
from tests.opsrun.test_processes import maintenance
from tests.world import World
from workers.bounded_threads import THREADS_PER_GROUP

SCOPES = [f"scope-{number}" for number in range(6)]


@pytest.fixture
async def neighbour(installed: dict[Login, Resources], tmp_path: Path) -> World:
    """Another tenant, whose export works."""
    world = await World.create(installed, tmp_path / "neighbour")
    export(world, policy("a"))
    return world


@pytest.fixture
def hung(place: World) -> Iterator[list[Path]]:
    """Six scopes whose listing blocks, at most until the test ends."""
    folders = [export(place, policy(key), scope_key=key) for key in SCOPES]
    for folder in folders:
        os.mkfifo(folder / PIPE)
    yield folders
    for folder in folders:
        let_go(folder)


def let_go(folder: Path) -> None:
    """Unblock the listing of the folder, as when its mount is back."""
    pipe = folder / PIPE
    if pipe.exists():
        # Open for reading too, because opening only to write waits for a listing.
        os.close(os.open(pipe, os.O_RDWR))
        pipe.unlink()


class Worker:
    """A worker whose listings can hang, and its health and metrics."""

    def __init__(self, command: Command, http: httpx.AsyncClient) -> None:
        self.command = command
        self._http = http

    async def checks(self) -> tuple[int, str, str]:
        """Return the status of `/readyz` and its reports on threads and exports."""
        answer = await self._http.get("/readyz")
        checks = answer.json()["checks"]
        return answer.status_code, checks["file_threads"], checks["exports"]

    async def is_ready(self) -> bool:
        return (await self.checks())[0] == 200

    async def hung_threads(self) -> float:
        """Return the number of hanging threads from the metrics."""
        text = (await self._http.get("/metrics")).text
        (family,) = (
            family
            for family in text_string_to_metric_families(text)
            if family.name == "opsrun_hung_file_threads"
        )
        return family.samples[0].value


@asynccontextmanager
async def hanging_worker(installation: Installation, **settings: str) -> AsyncIterator[Worker]:
    environment = installation.environment(Login.WORKER, METRICS_PORT="0", **settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(maintenance(installation))
        command = await stack.enter_async_context(
            running(
                environment={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
                folder=installation.folder,
                program=(sys.executable, "-m", "tests.opsrun.hanging_worker"),
            )
        )
        line = await command.prints("Serving metrics and health on port")
        (port,) = re.findall(r"port (\d+) of", line)
        http = await stack.enter_async_context(open_http(f"http://127.0.0.1:{port}"))
        worker = Worker(command, http)
        await until(worker.is_ready)
        yield worker


async def started(place: World) -> list[StartedRun]:
    return [await start_sync(place, key) for key in SCOPES]


async def states(place: World, runs: list[StartedRun]) -> list[OperationRun]:
    return [await reload(place, run.run.id) for run in runs]


async def wait_for(place: World, runs: list[StartedRun], bucket: str) -> None:
    async def reached() -> bool:
        return {run.status_bucket for run in await states(place, runs)} == {bucket}

    await until(reached)


async def test_other_tenants_are_served_and_sigterm_ends_the_worker(
    installation: Installation, place: World, neighbour: World, hung: list[Path]
) -> None:
    async with hanging_worker(
        installation, FILE_TIMEOUT_SECONDS="600", SHUTDOWN_GRACE_SECONDS="1"
    ) as worker:
        runs = await started(place)
        await wait_for(place, runs, "RUNNING")
        await wait_for(neighbour, [await start_sync(neighbour)], "SUCCEEDED")

        code, seconds = await worker.command.stop()
        assert (code, seconds < 4) == (0, True), f"{code} after {seconds} s"
        assert "Traceback" not in worker.command.output
        assert {run.status for run in await states(place, runs)} == {"pending"}, "handed back"


async def test_runs_fail_at_the_deadline_and_readiness_shows_it(
    installation: Installation, place: World, neighbour: World, hung: list[Path]
) -> None:
    async with hanging_worker(installation, FILE_TIMEOUT_SECONDS="1") as worker:
        assert await worker.checks() == (200, "ok", "ok")
        runs = await started(place)
        await wait_for(place, runs, "FAILED")
        for run in await states(place, runs):
            (failure,) = (await failures(place, run)).values()
            assert failure.reason == FailureReason.PROVIDER_UNAVAILABLE
            assert failure.retryable
            assert "Check that its mount works" in failure.message
        assert await worker.hung_threads() == THREADS_PER_GROUP
        assert await worker.checks() == (200, "ok", "ThreadTimeoutError")
        await wait_for(neighbour, [await start_sync(neighbour)], "SUCCEEDED")

        # The tenant has no free thread: the next sync fails without waiting for the deadline.
        refused = await start_sync(place, SCOPES[0])
        await wait_for(place, [refused], "FAILED")
        (failure,) = (await failures(place, await reload(place, refused.run.id))).values()
        assert "earlier reads on this worker still hang" in failure.message

        for folder in hung:
            let_go(folder)

        async def all_returned() -> bool:
            return await worker.hung_threads() == 0

        await until(all_returned)
        await wait_for(place, await started(place), "SUCCEEDED")
        assert await worker.checks() == (200, "ok", "ok")
