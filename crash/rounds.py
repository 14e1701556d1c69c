"""A round: load, faults from a schedule, then quiet, then the promises are checked."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from crash.checker import check_canaries, check_effects, check_ledger
from crash.clients import Transport, UnansweredError
from crash.faults import PASSING, Fault, inject
from crash.seeds import child_of, seeded
from crash.stage import Stage
from crash.witness import Promise
from domain.tenancy.transactions import DatabaseUnavailableError

Tell = Callable[[str], None]

_SAMPLE_SECONDS = 0.5
_MANY_ACTIVE = 40
_CAUGHT_UP_SECONDS = 25.0
_LOOK_SECONDS = 0.2
_ENDLESS_SECONDS = 90.0
# Between two attempts of a fault whose server is away just then.
_AGAIN_SECONDS = 1.0

logger = logging.getLogger(__name__)


async def run_round(
    stage: Stage,
    play: Callable[[Stage], Awaitable[None]],
    *,
    seed: int,
    starters: int,
    quiet_seconds: float,
) -> None:
    """Let clients work while `play` is on; then check that all promises were kept.

    Everything has to have ended `quiet_seconds` after the last fault.
    """
    random = seeded(seed)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_sample(stage))]
        tasks += [group.create_task(work) for work in _background(stage, random)]
        starting = [
            group.create_task(stage.load.keep_starting(customer, child_of(random), 0.6))
            for customer in stage.customers
            for _ in range(starters)
        ]
        try:
            await play(stage)
            stage.cluster.release()
            for task in starting:
                task.cancel()
            is_quiet = await _quiet(stage, quiet_seconds)
            # While runs go on, nobody can have seen their end.
            await _check(stage, _CAUGHT_UP_SECONDS if is_quiet else _LOOK_SECONDS)
        finally:
            stage.load.stop()
            for task in tasks:
                task.cancel()


def _background(stage: Stage, random: Random) -> Iterator[Coroutine[Any, Any, None]]:
    """Everybody who is there from the first moment to the last."""
    subscribers = stage.subscribers
    for customer in stage.customers:
        yield stage.load.keep_changing(customer, stage.exports, child_of(random))
        for transport in Transport:
            for listen in (subscribers.follow, subscribers.glance, subscribers.hear):
                yield listen(customer, transport, child_of(random))
    yield subscribers.doze(stage.customers[0], Transport.SOCKET, child_of(random))


def faults_of(
    faults: Sequence[Fault], seconds: float, tell: Tell
) -> Callable[[Stage], Awaitable[None]]:
    """Return the play that injects a schedule."""

    async def play(stage: Stage) -> None:
        began = time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        for fault in faults:
            await asyncio.sleep(max(0, began + fault.at - time.monotonic()))
            tasks.append(asyncio.create_task(_persist(stage, fault), name=str(fault)))
            tell(_progress(stage, began))
        await asyncio.sleep(max(0, began + seconds - time.monotonic()))
        _, endless = await asyncio.wait(tasks, timeout=_ENDLESS_SECONDS)
        for task in endless:
            task.cancel()
        if endless:
            raise RuntimeError(f"Faults that did not end: {[task.get_name() for task in endless]}")
        await asyncio.gather(*tasks)

    return play


async def _persist(stage: Stage, fault: Fault) -> None:
    """Inject a fault; if another one is in its way, a little later."""
    for _ in range(5):
        with suppress(*PASSING, DatabaseUnavailableError, UnansweredError):
            await inject(stage, fault)
            return
        await asyncio.sleep(_AGAIN_SECONDS)


def _progress(stage: Stage, began: float) -> str:
    shown = (
        "starts",
        "duplicates",
        "kills",
        "restarts",
        "reconnects",
        "messages",
        "violations",
    )
    figures = ", ".join(f"{stage.witness.counts[name]} {name}" for name in shown)
    return f"{time.monotonic() - began:6.1f} s: {figures}"


async def _sample(stage: Stage) -> None:
    """Look for two active runs of one key all the time, and hold the load back when it piles up."""
    while True:
        with suppress(*PASSING):
            async with stage.ledger() as ledger:
                while True:
                    for row in await ledger.double_actives():
                        stage.witness.violation(Promise.ONE_ACTIVE, f"at once: {row}")
                    if await ledger.active() > _MANY_ACTIVE:
                        stage.load.is_open.clear()
                    else:
                        stage.load.is_open.set()
                    await asyncio.sleep(_SAMPLE_SECONDS)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _quiet(stage: Stage, seconds: float) -> bool:
    """Wait until all runs have ended and the outbox is empty; False when it takes too long."""
    stage.subscribers.calm.set()
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds), stage.ledger() as ledger:
            while await ledger.active() or await ledger.outbox():  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        return False
    finally:
        stage.witness.counts["seconds until quiet"] = round(time.monotonic() - began)
    return True


async def _check(stage: Stage, patience: float) -> None:
    witness = stage.witness
    async with stage.ledger() as ledger:
        try:
            async with asyncio.timeout(patience):
                await stage.load.watched()
        except TimeoutError:
            witness.violation(Promise.FOLDED, "a watcher did not see its run end")
        await _caught_up(stage, patience)
        await check_ledger(ledger, witness)
        await check_effects(ledger, stage.sink_log, witness)
        await check_canaries(ledger, stage.cluster.log_files(), stage.secrets, witness)
        for orders in stage.cluster.orders.values():
            witness.counts.update(f"failpoint {point}" for point, _ in orders.fired())


async def _caught_up(stage: Stage, patience: float) -> None:
    """Wait until every listener holds what the database does."""
    deadline = time.monotonic() + patience
    async with stage.ledger() as ledger:

        async def differences() -> list[str]:
            found: list[str] = []
            for customer in stage.customers:
                states = await ledger.states(customer.tenant_id)
                for fold in stage.subscribers.folds:
                    if fold.customer is customer:
                        found += fold.differences(states)
            for telling in stage.subscribers.tellings:
                access = telling.customer.access
                found += telling.missing(await ledger.told(access.tenant_id, access.user_id))
            return found

        while (found := await differences()) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        for difference in found:
            stage.witness.violation(Promise.FOLDED, difference)
