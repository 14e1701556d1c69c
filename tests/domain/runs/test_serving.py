"""Runs of a type that no running worker knows wait for one, without delaying others."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import literal, select, text

from domain.inventory.run_type import INVENTORY_SYNC
from domain.lifecycle import RunStatus
from domain.runs.models import Dispatch, RunEventKind
from domain.runs.repository.backlog import read_backlog
from domain.runs.repository.serving import is_served, record, served
from domain.runs.repository.waiting import waiting_reasons
from domain.runs.run_types import run_types
from domain.runs.serving import ServedRunTypes
from domain.tenancy.statements import Statement
from domain.wakeups import OUTBOX_TOPIC
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from tests.acts import claim, relay, run_maintenance, until
from tests.databases import url_of
from tests.domain.runs.test_dispatching import Sender
from tests.ledger import ledger_faults, only_failure, reload, timeline
from tests.world import World

SECOND = timedelta(seconds=1)
_WAITING_WORKERS = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> str:
    """The action of a run type `inventory.…` that no worker knows."""
    action = f"render_{uuid4().hex}"
    name = f"inventory.{action}"
    declared = replace(INVENTORY_SYNC, name=name)
    monkeypatch.setitem(run_types()._declared, name, (declared, "tests"))
    return action


async def start(world: World, action: str) -> UUID:
    return (await world.start(action=action)).run.id


def worker_of(world: World, *run_types: str) -> ServedRunTypes:
    worker = world.resources[Login.WORKER]
    return ServedRunTypes(worker.transactions, worker.wakeups, run_types)


async def stop_worker_of(world: World, run_type: str) -> None:
    """Make the last worker that knows the type stop 91 seconds ago."""
    async with world.resources[Login.WORKER].transactions.installation() as session:
        await record(session, [run_type])
        await session.execute(
            text(
                "UPDATE opsrun.worker_run_type SET seen_at = seen_at - interval '91 s'"
                " WHERE run_type = :run_type"
            ),
            {"run_type": run_type},
        )


async def entry(world: World, run_id: UUID) -> Any:
    rows = await world.rows(
        "SELECT sent_at, not_before = 'infinity' AS parked,"
        " least(not_before, clock_timestamp() + interval '1 day') - clock_timestamp() AS wait"
        " FROM opsrun.outbox WHERE tenant_id = :tenant_id AND run_id = :run_id",
        run_id=run_id,
    )
    return rows[0] if rows else None


async def reason(world: World, run_id: UUID, share: int = 0) -> str | None:
    access = await world.access()
    return (await world.read(waiting_reasons, access, [run_id], share=share)).get(run_id)


async def test_a_start_of_an_unserved_type_waits_and_delays_no_other_start(
    world: World, action: str
) -> None:
    sender = Sender(world)
    unserved = await start(world, action)
    other = (await world.start()).run.id
    assert sender.sent == [other]
    assert await relay(world) == []
    assert (await entry(world, unserved)).parked
    expected = f"No worker that knows `inventory.{action}` is running."
    assert await reason(world, unserved) == expected
    assert await reason(world, other) is None


async def test_unserved_runs_take_no_place_of_their_tenant(world: World, action: str) -> None:
    await stop_worker_of(world, f"inventory.{action}")
    unserved = [await start(world, action) for _ in range(3)]
    # As if they had been queued while their worker was running.
    await world.write(
        "UPDATE opsrun.outbox SET not_before = clock_timestamp() WHERE tenant_id = :tenant_id"
    )
    other = (await world.start()).run.id
    assert await relay(world, tenant_concurrency=1) == [other]
    assert [(await entry(world, run_id)).parked for run_id in unserved] == [True] * 3


async def test_waiting_runs_are_sent_in_their_order_when_a_worker_appears(
    world: World, action: str
) -> None:
    waiting = [await start(world, action) for _ in range(3)]
    assert await relay(world) == []
    async with world.resources[Login.MAINTENANCE].wakeups.subscribe(OUTBOX_TOPIC) as waiter:
        worker = worker_of(world, f"inventory.{action}")
        await worker.record()
        worker.wake_relay()
        assert await waiter.wait(10)
    assert await relay(world, tenant_concurrency=2) == waiting[:2]
    await (await claim(world, waiting[0])).finish()
    assert await relay(world, tenant_concurrency=2) == waiting[2:]


async def test_a_type_is_served_for_90_seconds(world: World, action: str) -> None:
    name = f"inventory.{action}"
    access = await world.access()
    assert await world.read(served, access, [name]) == {name: False}
    await worker_of(world, name).record()
    assert await world.read(served, access, [name]) == {name: True}
    await stop_worker_of(world, name)
    assert await world.read(served, access, [name]) == {name: False}


async def test_every_type_is_served_until_a_worker_has_recorded_one(
    servers: EmbeddedServers, world: World
) -> None:
    query = Statement(select(is_served(literal("no.such"))))
    connection = await asyncpg.connect(url_of(servers.postgres_url, "main"))
    try:
        before = await connection.fetchval(query.text, *query.arguments({}))
        await connection.execute("BEGIN")
        await connection.execute("DELETE FROM opsrun.worker_run_type")
        empty = await connection.fetchval(query.text, *query.arguments({}))
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()
    assert (before, empty) == (False, True)


async def test_queued_runs_without_a_worker_are_counted(world: World, action: str) -> None:
    async def unserved() -> int:
        async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
            return (await read_backlog(session)).unserved

    before = await unserved()
    await start(world, action)
    await world.start()
    assert await unserved() == before + 1
    await worker_of(world, f"inventory.{action}").record()
    assert await unserved() == before


async def test_a_run_that_waited_too_long_for_its_worker_says_so(world: World, action: str) -> None:
    run_id = await start(world, action)
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = not_before - interval '500 days'"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=run_id,
    )
    while await run_maintenance(world).abort_forgotten(limit=timedelta(days=499)):
        pass
    ended = await reload(world, run_id)
    failure = await only_failure(world, ended)
    assert (ended.status, failure.reason) == (RunStatus.ABORTED, "QUEUE_TIMEOUT")
    assert f"No worker that knows `inventory.{action}` was running." in failure.message
    assert await entry(world, run_id) is None
    assert await ledger_faults(world) == []


class TestGivingBack:
    async def test_sends_the_run_again_a_second_later(self, world: World) -> None:
        sender = Sender(world, share=1)
        first, second = (await world.start()).run.id, (await world.start()).run.id
        before = await reload(world, first)
        await sender.claimer.give_back(world.tenant_id, first)
        row = await entry(world, first)
        assert row.sent_at is None
        assert timedelta(0) < row.wait <= SECOND
        # Its place is free.
        assert await sender.relay() == [second]
        after = await reload(world, first)
        assert (after.version, after.attempt) == (before.version, 0)
        assert await timeline(world, first) == [RunEventKind.QUEUED]

    async def test_also_works_for_a_message_of_the_relay(self, world: World) -> None:
        run_id = (await world.start()).run.id
        assert await relay(world) == [run_id]
        assert await entry(world, run_id) is None
        await world.claimer.give_back(world.tenant_id, run_id)
        assert (await entry(world, run_id)).wait <= SECOND

    async def test_does_not_wait_for_a_relay_that_waits_for_it(self, world: World) -> None:
        run_id = (await world.start()).run.id
        given_back: list[asyncio.Task[None]] = []

        async def waits_for_the_relay() -> bool:
            return bool(await world.rows(_WAITING_WORKERS))

        async def send(dispatches: Sequence[Dispatch]) -> None:
            # A worker reads the message before the relay commits.
            (own,) = (d for d in dispatches if d.run_id == run_id)
            task = asyncio.create_task(world.claimer.give_back(own.tenant_id, own.run_id))
            given_back.append(task)
            await until(waits_for_the_relay)

        assert await relay(world, send) == [run_id]
        await given_back[0]
        row = await entry(world, run_id)
        assert (row.sent_at, row.wait <= SECOND) == (None, True)

    async def test_leaves_a_claimed_run_to_its_worker(self, world: World) -> None:
        execution = await world.start_and_claim()
        run_id = execution.run.id
        assert await relay(world) == [run_id]
        await world.claimer.give_back(world.tenant_id, run_id)
        assert await entry(world, run_id) is None
        await execution.finish()
        await world.claimer.give_back(world.tenant_id, run_id)
        assert await entry(world, run_id) is None

    async def test_leaves_a_later_entry_as_it_is(self, world: World) -> None:
        execution = await world.start_and_claim()
        await execution.release(timedelta(hours=1))
        await world.claimer.give_back(world.tenant_id, execution.run.id)
        assert (await entry(world, execution.run.id)).wait > timedelta(minutes=59)


class TestWaitingReasons:
    async def test_name_the_runs_that_must_end_first(self, world: World) -> None:
        sender = Sender(world, share=1)
        first, second = (await world.start()).run.id, (await world.start()).run.id
        expected = "Other runs of this tenant have to end first."
        assert await reason(world, second, share=1) == expected
        assert await reason(world, first, share=1) is None
        assert await reason(world, second, share=2) is None
        await (await sender.claim(first)).finish()
        assert await reason(world, second, share=1) is None

    async def test_name_the_next_attempt(self, world: World) -> None:
        execution = await world.start_and_claim()
        assert await reason(world, execution.run.id) is None
        await execution.release(timedelta(minutes=1))
        assert await reason(world, execution.run.id) == "The next attempt begins in a moment."
