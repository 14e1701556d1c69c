"""Plays with one fault at the worst moment; each shows the mutant that it is named for.

Without a mutant every promise must be kept in each of them.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis

from crash.cluster import LEASE_SECONDS, TENANT_CONCURRENCY, WORKER
from crash.failpoints import Action, Order
from crash.mutants import Mutant
from crash.producer import ITEMS
from crash.seeds import seeded
from crash.stage import Stage
from crash.witness import Promise
from domain.tenancy.transactions import DatabaseUnavailableError

_PATIENCE = 40.0
_LOOK_SECONDS = 0.02
_BUSY_SECONDS = 5.0
_RECOVERY_SECONDS = 15.0
# How runs of seven items and more end, for every seventh fails.
_COMPLETED = "completed_with_errors"

Play = Callable[[Stage], Awaitable[None]]


async def outlived(stage: Stage) -> None:
    """A worker freezes with a batch in hand, and wakes when its successor is at work."""
    stage.cluster.orders[WORKER].give(Order("Itemized.outlived.before_batch", Action.STOP, skip=3))
    run_id = await _start(stage, "outlived", items=120)
    frozen = await _fired(stage, "Itemized.outlived.before_batch")
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_id), ("running", 2)))
    for worker in stage.cluster.of(WORKER):
        if worker.child and worker.child.process.pid == frozen:
            worker.signal(signal.SIGCONT)


async def forgotten(stage: Stage) -> None:
    """Valkey loses messages that were sent and not read."""
    workers = stage.cluster.of(WORKER)
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    # More than the workers asked for before they stopped, and all that the tenant may have sent.
    for number in range(TENANT_CONCURRENCY):
        await _start(stage, f"forgotten-{number}", items=1)
    tenant_id = stage.customers[0].tenant_id
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.dispatched(tenant_id), TENANT_CONCURRENCY))
    async with Redis.from_url(stage.servers.valkey.direct_url) as valkey:
        await valkey.flushall()
    for worker in workers:
        worker.signal(signal.SIGCONT)


async def rolled_back(stage: Stage) -> None:
    """A transaction fails after it took its place in the feed."""
    stage.cluster.orders[WORKER].give(Order("RunExecution.batch.before_commit", Action.RAISE))
    await _start(stage, "rolled back", items=20)
    await _fired(stage, "RunExecution.batch.before_commit")


async def killed_at_the_end(stage: Stage) -> None:
    """A worker dies right after it committed the end of a run."""
    stage.cluster.orders[WORKER].give(Order("RunExecution._end.after_commit", Action.KILL))
    await _start(stage, "killed at the end", items=1)
    await _fired(stage, "RunExecution._end.after_commit")


async def busy(stage: Stage) -> None:
    """Nothing fails, but much happens while clients subscribe."""
    random = seeded(0)
    async with asyncio.TaskGroup() as group:
        starting = [
            group.create_task(stage.load.keep_starting(customer, random, 0.2))
            for customer in stage.customers
        ]
        await asyncio.sleep(_BUSY_SECONDS)
        for task in starting:
            task.cancel()


async def killed_alone(stage: Stage) -> None:
    """A worker dies with the only run there is: nothing but the rescuer can notice."""
    stage.cluster.orders[WORKER].give(
        Order("Itemized.killed alone.before_batch", Action.KILL, skip=1)
    )
    run_id = await _start(stage, "killed alone", items=20)
    await _fired(stage, "Itemized.killed alone.before_batch")
    began = time.monotonic()
    how = await _ended(stage, run_id)
    took = time.monotonic() - began
    if how != (_COMPLETED, 2) or took > LEASE_SECONDS + _RECOVERY_SECONDS:
        stage.witness.violation(Promise.STARTS_END, f"recovered after {took:.0f} s as {how}")


async def valkey_restarts(stage: Stage) -> None:
    """Valkey dies while a run is worked on and another one is started."""
    run_id = await _start(stage, "at work", items=80)
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_id), ("running", 1)))
    async with stage.servers.valkey.away(signal.SIGKILL):
        other_id = await _start(stage, "started meanwhile", items=1)
    for each in (run_id, other_id):
        if (how := await _ended(stage, each)) != (_COMPLETED if each == run_id else "completed", 1):
            stage.witness.violation(Promise.STARTS_END, f"a restart of Valkey made a run {how}")


async def postgres_is_away(stage: Stage) -> None:
    """Postgres dies while runs are worked on, and stays away for longer than their leases."""
    run_ids = [await _start(stage, f"outage-{number}", items=80) for number in range(4)]
    async with stage.ledger() as ledger:
        await _until(lambda: _is(ledger.attempt(run_ids[0]), ("running", 1)))
    async with stage.servers.postgres.away(signal.SIGQUIT):
        await asyncio.sleep(2 * LEASE_SECONDS)
    for run_id in run_ids:
        if (how := await _ended(stage, run_id))[0] != _COMPLETED:
            stage.witness.violation(Promise.STARTS_END, f"an outage of Postgres made a run {how}")


SCENARIOS: dict[Mutant, Play] = {
    Mutant.NO_FENCE: outlived,
    Mutant.NO_REDISPATCH: forgotten,
    Mutant.PLAIN_SEQUENCE: rolled_back,
    Mutant.LATE_NOTIFICATION: killed_at_the_end,
    Mutant.LIVE_FIRST: busy,
}


async def _start(stage: Stage, key: str, *, items: int) -> UUID:
    context = {"key": key, "items": items, "pause": 0.1, "breaks": False}
    async with asyncio.timeout(_PATIENCE):
        while True:
            with suppress(DatabaseUnavailableError):
                return await stage.load.start(stage.customers[0], ITEMS, context)


async def _fired(stage: Stage, point: str) -> int:
    """Wait until a worker came to the failpoint; return its process id."""
    pids: list[int] = []

    async def fired() -> bool:
        pids[:] = [pid for at, pid in stage.cluster.orders[WORKER].fired() if at == point]
        return bool(pids)

    await _until(fired)
    return pids[-1]


async def _ended(stage: Stage, run_id: UUID) -> tuple[str, int]:
    """Wait until the run has ended; return how, and in which attempt."""
    async with stage.ledger() as ledger:

        async def ended() -> bool:
            return (await ledger.attempt(run_id))[0] not in ("pending", "running")

        await _until(ended)
        return await ledger.attempt(run_id)


async def _is(reading: Awaitable[object], wanted: object) -> bool:
    return await reading == wanted


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not await condition():  # noqa: ASYNC110 - processes do not tell us
            await asyncio.sleep(_LOOK_SECONDS)
