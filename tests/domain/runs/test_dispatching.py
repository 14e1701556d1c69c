"""A start and an end send messages themselves, within their tenant's share of the workers."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.runs.dispatching import DispatchUnavailableError, Send
from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.models import Dispatch
from domain.runs.starting import RunStarter
from opsrun.postgres.engines import Login
from tests.acts import queue_runs, relay, run_maintenance
from tests.ledger import ledger_faults
from tests.world import LEASE, MAX_ACTIVE_RUNS, World

SHARE = 3


class Sender:
    """Records what the tenant's processes send; raises `error` instead if it is set."""

    def __init__(self, world: World, share: int = SHARE) -> None:
        self.world = world
        self.share = share
        self.sent: list[UUID] = []
        self.error: BaseException | None = None
        api, worker = world.resources[Login.API], world.resources[Login.WORKER]
        world.starter = RunStarter(
            api.transactions,
            api.wakeups,
            max_active_runs=MAX_ACTIVE_RUNS,
            traceparent=lambda: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            send=lambda dispatches: self.send(dispatches),
            share=share,
        )
        self.claimer = RunClaimer(
            worker.transactions,
            worker.wakeups,
            owner="test",
            send=lambda dispatches: self.send(dispatches),
            share=share,
        )
        self.send: Send = self.record

    async def record(self, dispatches: Sequence[Dispatch]) -> None:
        """Send the messages."""
        if self.error is not None:
            raise self.error
        for dispatch in dispatches:
            assert (dispatch.tenant_id, dispatch.run_type) == (
                self.world.tenant_id,
                "inventory.sync",
            )
            assert dispatch.traceparent is not None
            self.sent.append(dispatch.run_id)

    async def claim(self, run_id: UUID) -> RunExecution:
        """Claim a run whose message was sent."""
        execution = await self.claimer.claim(self.world.tenant_id, run_id, LEASE)
        assert execution is not None
        return execution

    async def relay(self) -> list[UUID]:
        """Return the runs that the relay sends in the same share."""
        return await relay(self.world, tenant_concurrency=self.share)


async def start(world: World, count: int) -> list[UUID]:
    """Start runs one after the other."""
    return [(await world.start()).run.id for _ in range(count)]


async def entries(world: World) -> list[UUID]:
    """Return the runs in the outbox, sent or not."""
    rows = await world.rows(
        "SELECT run_id FROM opsrun.outbox WHERE tenant_id = :tenant_id ORDER BY id"
    )
    return [row.run_id for row in rows]


async def test_a_start_sends_its_message_while_the_tenant_has_room(world: World) -> None:
    sender = Sender(world)
    run_ids = await start(world, 5)
    assert sender.sent == run_ids[:SHARE]
    # An entry is the guarantee until its run is claimed, and is not sent twice.
    assert await entries(world) == run_ids
    assert await sender.relay() == []

    for run_id in sender.sent:
        await sender.claim(run_id)
    await run_maintenance(world).redispatch(stale=timedelta(hours=1))
    assert await entries(world) == run_ids[SHARE:]
    assert await sender.relay() == []


async def test_an_end_sends_the_oldest_waiting_message(world: World) -> None:
    sender = Sender(world)
    run_ids = await start(world, 6)
    for run_id in run_ids[:2]:
        await (await sender.claim(run_id)).finish()
    assert sender.sent == run_ids[:5]
    assert await sender.relay() == []
    assert not await ledger_faults(world)


async def test_an_end_passes_over_a_run_that_a_duplicate_message_led_to_a_worker(
    world: World,
) -> None:
    sender = Sender(world, share=1)
    first, claimed, waiting = await start(world, 3)
    running = await sender.claim(first)
    await sender.claim(claimed)
    await world.write(
        "UPDATE opsrun.operation_run SET last_dispatched_at = NULL WHERE id = :id", id=claimed
    )
    await running.finish()
    assert sender.sent == [first, waiting]


async def test_an_end_without_a_waiting_message_leaves_room_for_the_next_start(
    world: World,
) -> None:
    sender = Sender(world, share=1)
    (first,) = await start(world, 1)
    await (await sender.claim(first)).finish()
    (second,) = await start(world, 1)
    assert sender.sent == [first, second]


async def test_a_claim_gives_up_the_place_of_an_entry_that_an_end_still_holds(
    world: World,
) -> None:
    sender = Sender(world, share=1)
    (first,) = await start(world, 1)
    # An end that began before the entry was marked as sent, and wanted to send it too.
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        await session.execute(
            text("SELECT FROM opsrun.outbox WHERE run_id = :id FOR UPDATE"), {"id": first}
        )
        claim = asyncio.create_task(sender.claim(first))
        await asyncio.wait([claim], timeout=0.1)
        # The end locks the feed's counter next, so the claim must not hold that while it waits.
        await session.execute(
            text("SELECT FROM opsrun.tenant_feed WHERE tenant_id = :id FOR UPDATE NOWAIT"),
            {"id": world.tenant_id},
        )
    async with asyncio.timeout(5):
        await (await claim).finish()
    (second,) = await start(world, 1)
    assert sender.sent == [first, second]


async def test_a_smaller_share_is_reached_as_runs_end(world: World) -> None:
    await start(Sender(world).world, 5)
    smaller = Sender(world, share=SHARE - 1)
    first, second, _, fourth, _ = await entries(world)
    await (await smaller.claim(first)).finish()
    assert smaller.sent == []
    await (await smaller.claim(second)).finish()
    assert smaller.sent == [fourth]


async def test_a_run_that_waits_again_gives_its_place_back(world: World) -> None:
    sender = Sender(world, share=1)
    first, second = await start(world, 2)
    await (await sender.claim(first)).release(timedelta(0))
    assert await sender.relay() == [second]
    await (await sender.claim(second)).finish()
    assert sender.sent == [first, first]
    await sender.claim(first)


async def test_a_delayed_run_is_not_sent_by_an_end(world: World) -> None:
    sender = Sender(world, share=2)
    released, other = await start(world, 2)
    await (await sender.claim(released)).release(timedelta(hours=1))
    await (await sender.claim(other)).finish()
    assert sender.sent == [released, other]


async def test_concurrent_starts_ends_and_relays_stay_in_the_share(world: World) -> None:
    sender, ended = Sender(world), set[UUID]()
    places: list[int] = []

    async def send(dispatches: Sequence[Dispatch]) -> None:
        (taken,) = await world.rows(
            "SELECT (SELECT count(*) FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
            " AND finished_at IS NULL AND last_dispatched_at IS NOT NULL)"
            " + (SELECT count(*) FROM opsrun.outbox WHERE tenant_id = :tenant_id"
            " AND sent_at IS NOT NULL AND NOT is_claimed) AS places"
        )
        places.append(taken.places)
        sender.sent += [dispatch.run_id for dispatch in dispatches]

    async def work() -> None:
        while len(ended) < 40:
            await relay(world, send, tenant_concurrency=SHARE)
            for run_id in set(sender.sent) - ended:
                execution = await sender.claimer.claim(world.tenant_id, run_id, LEASE)
                if execution is not None:
                    await execution.finish()
                    ended.add(run_id)

    sender.send = send
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(40):
            group.create_task(world.start())
        for _ in range(3):
            group.create_task(work())
    assert 1 < max(places) <= SHARE
    assert not await ledger_faults(world)


async def test_a_message_that_the_broker_refuses_is_left_to_the_relay(world: World) -> None:
    sender = Sender(world)
    sender.error = DispatchUnavailableError("Redis is down.")
    refused = await start(world, 2)
    assert await sender.relay() == refused

    sender.error = None
    later = await start(world, 2)
    assert sender.sent == later[:1]
    sender.error = DispatchUnavailableError("Redis is down.")
    await (await sender.claim(refused[0])).finish()
    assert await sender.relay() == later[1:]


async def test_a_message_of_a_process_that_died_before_it_was_sent_is_sent_later(
    world: World,
) -> None:
    sender = Sender(world)
    sender.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await world.start()
    (lost,) = await entries(world)
    assert await sender.relay() == []
    await run_maintenance(world).redispatch(stale=timedelta(hours=1))
    assert await sender.relay() == []
    await run_maintenance(world).redispatch(stale=timedelta(0))
    assert await sender.relay() == [lost]


async def test_a_start_does_not_overtake_runs_that_wait(world: World) -> None:
    await queue_runs(world, 1)
    sender = Sender(world)
    run_ids = await start(world, 2)
    assert sender.sent == []
    assert (await sender.relay())[1:] == run_ids
