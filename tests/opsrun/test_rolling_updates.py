"""Processes with and without a package work side by side, as during a rolling update."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from domain.lifecycle import RunStatus
from tests.client import User
from tests.ledger import ledger_faults
from tests.opsrun import rolling_package
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import until
from tests.opsrun.conftest import Installation
from tests.opsrun.test_processes import KEEPING, WORKING, maintenance, worker
from tests.world import World

START = """mutation ($tenant: ID!, $report: String!) { startOperation(input: {
  tenantId: $tenant, runType: "rolling.export", context: {report: $report}
}) { run { id waitingReason } userErrors { message } } }"""
RUN = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  status waitingReason attempt counts { total succeeded }
  events(first: 50) { nodes { kind } } } } }"""
ONCE = {
    "status": RunStatus.COMPLETED,
    "waitingReason": None,
    "attempt": 1,
    "counts": {"total": 1, "succeeded": 1},
}
UNKNOWN = "No worker that knows `rolling.export` is running."


Open = Callable[[AbstractAsyncContextManager[Any]], Awaitable[Any]]


@pytest.fixture
async def open_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Start a process with the package, which ends with the test."""
    rolling_package.install(tmp_path)
    async with AsyncExitStack() as stack:

        async def start(process: AbstractAsyncContextManager[Any]) -> Any:
            with monkeypatch.context() as patch:
                patch.setenv("PYTHONPATH", str(tmp_path))
                return await stack.enter_async_context(process)

        yield start


async def start(user: User, report: str) -> Any:
    data = await user.data(START, tenant=user.tenant_id, report=report)
    assert data["startOperation"]["userErrors"] == []
    return data["startOperation"]["run"]


async def read(user: User, run: Any) -> Any:
    return (await user.data(RUN, id=run["id"]))["node"]


async def ended(user: User, run: Any) -> Any:
    """Wait for the run's end, and return the run."""

    async def has_ended() -> bool:
        status: str = (await read(user, run))["status"]
        return status == RunStatus.COMPLETED

    await until(has_ended)
    return await read(user, run)


async def test_a_run_waits_for_a_worker_that_knows_its_type_and_says_so(
    installation: Installation, place: World, open_newer: Open
) -> None:
    _, base = await open_newer(api(installation))
    async with (
        maintenance(installation) as process,
        worker(installation) as old,
        User.signed_in(base, place.token()) as user,
    ):
        await process.prints(KEEPING)
        await old.prints(WORKING)
        first = await start(user, "first")
        assert first["waitingReason"] == UNKNOWN
        waiting = await read(user, first)
        assert (waiting["status"], waiting["waitingReason"]) == (RunStatus.PENDING, UNKNOWN)

        new = await open_newer(worker(installation))
        await new.prints(WORKING)
        began = monotonic()
        runs = [await ended(user, first)]
        assert monotonic() - began < 8
        # Now both workers read the messages.
        started = [await start(user, f"report {number}") for number in range(8)]
        runs += [await ended(user, run) for run in started]
        assert await ledger_faults(place) == []
        for command in (process, old, new):
            assert "Traceback" not in command.output
    for run in runs:
        kinds = [each["kind"] for each in run.pop("events")["nodes"]]
        assert run == ONCE
        assert {kind: kinds.count(kind) for kind in kinds if kind != "PROGRESSED"} == {
            "QUEUED": 1,
            "STARTED": 1,
            "FINISHED": 1,
        }
