"""Scenarios, each with one fault at the worst moment.

`SCENARIOS` maps each mutant to the scenario that exposes it. Without a mutant, all promises must
be kept in every scenario.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis

from crash.cluster import LEASE_SECONDS, TENANT_CONCURRENCY, WORKER
from crash.failpoints import Action, Trigger
from crash.mutants import Mutant
from crash.producer import ITEMS
from crash.seeds import seeded
from crash.stage import Stage
from crash.witness import Promise
from domain.tenancy.session import DatabaseUnavailableError

_TIMEOUT_SECONDS = 40.0
_POLL_SECONDS = 0.02
_BUSY_SECONDS = 5.0
_RECOVERY_SECONDS = 15.0
# The end of runs with seven items or more: every seventh item fails.
_COMPLETED = "completed_with_errors"

Scenario = Callable[[Stage], Awaitable[None]]


async def frozen_worker_resumes(stage: Stage) -> None:
    """A worker freezes before it records a batch, and resumes during the next attempt."""
    stage.cluster.failpoints[WORKER].set(
        Trigger("Itemized.frozen.before_batch", Action.STOP, skip=3)
    )
    run_id = await _start(stage, "frozen", items=120)
    pid = await _fired(stage, "Itemized.frozen.before_batch")
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_id), ("running", 2)))
    for worker in stage.cluster.by_role(WORKER):
        if worker.child and worker.child.process.pid == pid:
            worker.signal(signal.SIGCONT)


async def valkey_loses_messages(stage: Stage) -> None:
    """Valkey loses messages before a worker reads them."""
    workers = stage.cluster.by_role(WORKER)
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    # As many as the tenant may have dispatched, and more than the stopped workers had requested.
    for number in range(TENANT_CONCURRENCY):
        await _start(stage, f"lost-{number}", items=1)
    tenant_id = stage.members[0].tenant_id
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.dispatched(tenant_id), TENANT_CONCURRENCY))
    async with Redis.from_url(stage.servers.valkey.direct_url) as valkey:
        await valkey.flushall()
    for worker in workers:
        worker.signal(signal.SIGCONT)


async def transaction_rolls_back(stage: Stage) -> None:
    """A transaction fails after it took its number in the feed."""
    stage.cluster.failpoints[WORKER].set(Trigger("RunExecution.batch.before_commit", Action.RAISE))
    await _start(stage, "rolled back", items=20)
    await _fired(stage, "RunExecution.batch.before_commit")


async def worker_dies_after_commit(stage: Stage) -> None:
    """A worker is killed right after it committed the end of a run."""
    stage.cluster.failpoints[WORKER].set(Trigger("RunExecution._end.after_commit", Action.KILL))
    await _start(stage, "killed at the end", items=1)
    await _fired(stage, "RunExecution._end.after_commit")


async def many_runs_start(stage: Stage) -> None:
    """Nothing fails, but many runs start while clients subscribe."""
    random = seeded(0)
    async with asyncio.TaskGroup() as group:
        starting = [
            group.create_task(stage.load.start_runs(member, random, 0.2))
            for member in stage.members
        ]
        await asyncio.sleep(_BUSY_SECONDS)
        for task in starting:
            task.cancel()


async def only_worker_dies(stage: Stage) -> None:
    """A worker is killed with the only active run, so that only maintenance can notice."""
    stage.cluster.failpoints[WORKER].set(
        Trigger("Itemized.killed alone.before_batch", Action.KILL, skip=1)
    )
    run_id = await _start(stage, "killed alone", items=20)
    await _fired(stage, "Itemized.killed alone.before_batch")
    began = time.monotonic()
    end = await _ended(stage, run_id)
    seconds = time.monotonic() - began
    if end != (_COMPLETED, 2) or seconds > LEASE_SECONDS + _RECOVERY_SECONDS:
        stage.witness.violation(Promise.STARTS_END, f"recovered after {seconds:.0f} s as {end}")


async def valkey_restarts(stage: Stage) -> None:
    """Valkey is killed while one run is executed and another one is started."""
    run_id = await _start(stage, "executed", items=80)
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_id), ("running", 1)))
    async with stage.servers.valkey.down(signal.SIGKILL):
        other_id = await _start(stage, "started during the outage", items=1)
    for each, status in ((run_id, _COMPLETED), (other_id, "completed")):
        if (end := await _ended(stage, each)) != (status, 1):
            stage.witness.violation(Promise.STARTS_END, f"a restart of Valkey made a run {end}")


async def postgres_is_down(stage: Stage) -> None:
    """Postgres ends while runs are executed, and stays down for longer than their leases."""
    run_ids = [await _start(stage, f"outage-{number}", items=80) for number in range(4)]
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_ids[0]), ("running", 1)))
    async with stage.servers.postgres.down(signal.SIGQUIT):
        await asyncio.sleep(2 * LEASE_SECONDS)
    for run_id in run_ids:
        if (end := await _ended(stage, run_id))[0] != _COMPLETED:
            stage.witness.violation(Promise.STARTS_END, f"an outage of Postgres made a run {end}")


SCENARIOS: dict[Mutant, Scenario] = {
    Mutant.NO_FENCE: frozen_worker_resumes,
    Mutant.NO_REDISPATCH: valkey_loses_messages,
    Mutant.PLAIN_SEQUENCE: transaction_rolls_back,
    Mutant.LATE_NOTIFICATION: worker_dies_after_commit,
    Mutant.LIVE_FIRST: many_runs_start,
}


async def _start(stage: Stage, key: str, *, items: int) -> UUID:
    context = {"key": key, "items": items, "pause": 0.1, "breaks": False}
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while True:
            with suppress(DatabaseUnavailableError):
                return await stage.load.start(stage.members[0], ITEMS, context)


async def _fired(stage: Stage, point: str) -> int:
    """Wait until the failpoint fired in a worker; return the process id."""
    pids: list[int] = []

    async def fired() -> bool:
        pids[:] = [pid for name, pid in stage.cluster.failpoints[WORKER].fired() if name == point]
        return bool(pids)

    await _until(fired)
    return pids[-1]


async def _ended(stage: Stage, run_id: UUID) -> tuple[str, int]:
    """Wait until the run has ended; return its status and attempt."""
    async with stage.ledger() as ledger:

        async def ended() -> bool:
            return (await ledger.attempt(run_id))[0] not in ("pending", "running")

        await _until(ended)
        return await ledger.attempt(run_id)


async def _is(value: Awaitable[object], expected: object) -> bool:
    return await value == expected


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_TIMEOUT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - processes set no events
            await asyncio.sleep(_POLL_SECONDS)
