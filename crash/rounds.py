"""A round: clients work during faults, all runs end, then the promises are checked."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from crash.checker import check_canaries, check_effects, check_ledger
from crash.clients import RetryableError, Transport
from crash.faults import SERVER_ERRORS, Fault, inject
from crash.ledger import DOUBLE_ACTIVES, Ledger
from crash.scenarios import Scenario
from crash.seeds import child_of, seeded
from crash.stage import Stage
from crash.witness import Promise
from domain.tenancy.session import DatabaseUnavailableError

_SAMPLE_SECONDS = 0.5
_MANY_ACTIVE = 40
_CATCH_UP_SECONDS = 25.0
_POLL_SECONDS = 0.2
_FAULT_SECONDS = 90.0
# Between two attempts of a fault whose server is down.
_RETRY_SECONDS = 1.0


async def run_round(
    stage: Stage,
    scenario: Scenario,
    *,
    seed: int,
    starters: int,
    quiet_seconds: float,
) -> None:
    """Run the clients during a scenario, with `starters` per member; then check all promises.

    All runs must have ended `quiet_seconds` after the scenario.
    """
    random = seeded(seed)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_sample(stage))]
        tasks += [group.create_task(work) for work in _background(stage, random)]
        starting = [
            group.create_task(stage.load.start_runs(member, child_of(random), 0.6))
            for member in stage.members
            for _ in range(starters)
        ]
        try:
            await scenario(stage)
            stage.cluster.release()
            for task in starting:
                task.cancel()
            is_quiet = await _quiet(stage, quiet_seconds)
            # No subscriber can see the end of a run that goes on, so do not wait for it.
            await _check(stage, _CATCH_UP_SECONDS if is_quiet else _POLL_SECONDS)
        finally:
            stage.load.stop()
            for task in tasks:
                task.cancel()


def _background(stage: Stage, random: Random) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield the clients that run for the whole round."""
    subscribers = stage.subscribers
    for member in stage.members:
        yield stage.load.change_exports(member, stage.exports, child_of(random))
        for transport in Transport:
            yield subscribers.follow(member, transport, child_of(random))
            yield subscribers.resubscribe(member, transport, child_of(random))
            yield subscribers.follow_notifications(member, transport, child_of(random))
    yield subscribers.read_slowly(stage.members[0], Transport.WEBSOCKET, child_of(random))


def inject_all(faults: Sequence[Fault], seconds: float, report: Callable[[str], None]) -> Scenario:
    """Return the scenario that injects the faults of a schedule."""

    async def scenario(stage: Stage) -> None:
        began = time.monotonic()
        tasks: list[asyncio.Task[None]] = []
        for fault in faults:
            await asyncio.sleep(max(0, began + fault.at - time.monotonic()))
            tasks.append(asyncio.create_task(_inject_with_retries(stage, fault), name=str(fault)))
            report(_progress(stage, began))
        await asyncio.sleep(max(0, began + seconds - time.monotonic()))
        _, hanging = await asyncio.wait(tasks, timeout=_FAULT_SECONDS)
        for task in hanging:
            task.cancel()
        if hanging:
            raise RuntimeError(f"Faults that did not end: {[task.get_name() for task in hanging]}")
        await asyncio.gather(*tasks)

    return scenario


async def _inject_with_retries(stage: Stage, fault: Fault) -> None:
    """Inject a fault; try again while another fault prevents it."""
    for _ in range(5):
        with suppress(*SERVER_ERRORS, DatabaseUnavailableError, RetryableError):
            await inject(stage, fault)
            return
        await asyncio.sleep(_RETRY_SECONDS)


def _progress(stage: Stage, began: float) -> str:
    names = ("starts", "duplicates", "kills", "restarts", "reconnects", "messages", "violations")
    figures = ", ".join(f"{stage.witness.counts[name]} {name}" for name in names)
    return f"{time.monotonic() - began:6.1f} s: {figures}"


async def _sample(stage: Stage) -> None:
    """Poll for two active runs of one key, and pause the load while many runs are active."""
    while True:
        with suppress(*SERVER_ERRORS):
            async with stage.ledger() as ledger:
                while True:
                    for row in await ledger.rows(DOUBLE_ACTIVES):
                        stage.witness.violation(Promise.ONE_ACTIVE, f"active at once: {row}")
                    if await ledger.active() > _MANY_ACTIVE:
                        stage.load.is_open.clear()
                    else:
                        stage.load.is_open.set()
                    await asyncio.sleep(_SAMPLE_SECONDS)
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _quiet(stage: Stage, seconds: float) -> bool:
    """Return whether all runs ended and the outbox became empty within `seconds`."""
    stage.subscribers.calm.set()
    began = time.monotonic()
    try:
        async with asyncio.timeout(seconds), stage.ledger() as ledger:
            while await ledger.active() or await ledger.outbox():  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        return False
    finally:
        stage.witness.counts["seconds until quiet"] = round(time.monotonic() - began)
    return True


async def _check(stage: Stage, timeout: float) -> None:
    witness = stage.witness
    async with stage.ledger() as ledger:
        try:
            async with asyncio.timeout(timeout):
                await stage.load.wait_for_followers()
        except TimeoutError:
            witness.violation(Promise.FOLDED, "a follower did not see its run end")
        await _check_subscribers(stage, timeout)
        await check_ledger(ledger, witness)
        await check_effects(ledger, stage.sink_log, witness)
        await check_canaries(ledger, stage.cluster.logs(), stage.secrets, witness)
        for failpoints in stage.cluster.failpoints.values():
            witness.counts.update(f"failpoint {point}" for point, _ in failpoints.fired())


async def _check_subscribers(stage: Stage, timeout: float) -> None:
    """Wait until every subscriber's state equals the database."""
    deadline = time.monotonic() + timeout
    async with stage.ledger() as ledger:
        while True:
            differences = await _differences(stage, ledger)
            if not differences or time.monotonic() >= deadline:
                break
            await asyncio.sleep(_POLL_SECONDS)
    for difference in differences:
        stage.witness.violation(Promise.FOLDED, difference)


async def _differences(stage: Stage, ledger: Ledger) -> list[str]:
    differences: list[str] = []
    for member in stage.members:
        states = await ledger.states(member.tenant_id)
        for fold in stage.subscribers.folds:
            if fold.member is member:
                differences += fold.differences(states)
    for notifications in stage.subscribers.notifications:
        access = notifications.member.access
        written = await ledger.notifications_of(access.tenant_id, access.user_id)
        differences += notifications.missing(written)
    return differences
