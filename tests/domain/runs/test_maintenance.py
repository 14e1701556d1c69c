"""Every promise about runs is kept without a person, by however many maintenance processes."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.inventory import maintenance as inventory_module
from domain.lifecycle import RunStatus, StatusBucket
from domain.notifications import repository as notifications_repository
from domain.notifications.models import NotificationOutcome
from domain.runs import maintenance as module
from domain.runs.execution import LeaseLostError, RunExecution
from domain.runs.failures import FailureReason
from domain.runs.feed import FeedGapError, TenantFeeds
from domain.runs.maintenance import DispatchUnavailableError
from domain.runs.models import Dispatch, FeedCursor, RunEventKind
from domain.runs.repository import reading
from domain.tables import metadata, operation_run
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.domain.filling import fill
from tests.domain.ledger import count_rows, insert_runs, ledger_faults
from tests.domain.runs.keeper import LONG, Keeper
from tests.working import inventory_maintenance, queue_runs, sync
from tests.world import LEASE, TENANT_CONCURRENCY, World


async def timeline(world: World, run_id: UUID) -> list[RunEventKind]:
    """Return what happened to the run."""
    events = await world.read(reading.events, await world.access(), [run_id], after=None, limit=100)
    return [event.kind for event in events[run_id]]


async def told(world: World) -> list[NotificationOutcome]:
    """Return what the initiator was told, the newest first."""
    page = await world.read(
        notifications_repository.page,
        await world.access(),
        after=None,
        unread_only=False,
        limit=100,
    )
    return [notification.outcome for notification in page]


async def whole_failure(world: World, run_id: UUID) -> FailureReason:
    """Return why the run failed as a whole."""
    failures = await world.read(
        reading.failures, await world.access(), [run_id], after=None, reasons=frozenset(), limit=100
    )
    (failure,) = failures[run_id]
    assert failure.item_key is None
    return failure.reason


async def orders(world: World, run_id: UUID) -> list[timedelta]:
    """Return how long after the run's last event the orders to send it are due."""
    rows = await world.rows(
        "SELECT not_before - (SELECT max(occurred_at) FROM opsrun.run_event WHERE run_id = :id)"
        " AS due FROM opsrun.outbox WHERE run_id = :id",
        id=run_id,
    )
    return [row.due for row in rows]


# Rescue


async def test_a_lost_workers_run_waits_a_little_for_another(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    run_id = execution.run.id
    await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    await keeper.expire(run_id)
    await keeper.rescue()

    run = await keeper.run(run_id)
    assert (run.status, run.attempt) == (RunStatus.PENDING, 1)
    (due,) = await orders(world, run_id)
    assert timedelta(seconds=1) < due <= timedelta(seconds=2)
    assert await timeline(world, run_id) == [
        RunEventKind.QUEUED,
        RunEventKind.STARTED,
        RunEventKind.REQUEUED,
    ]
    assert await told(world) == [NotificationOutcome.QUEUED]
    assert not await ledger_faults(world)


async def test_each_further_attempt_waits_longer(world: World, keeper: Keeper) -> None:
    execution = await keeper.take_over(await world.claimed())
    await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    await keeper.expire(execution.run.id)
    await keeper.rescue()
    (due,) = await orders(world, execution.run.id)
    assert timedelta(seconds=3) < due <= timedelta(seconds=4)


async def test_a_run_that_loses_all_its_workers_fails_and_its_initiator_is_told(
    world: World, keeper: Keeper
) -> None:
    execution = await world.claimed()
    for _ in range(2):
        execution = await keeper.take_over(execution)
    await keeper.expire(execution.run.id)
    await keeper.rescue()

    run = await keeper.run(execution.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    assert await whole_failure(world, run.id) is FailureReason.WORKER_LOST
    assert (await timeline(world, run.id))[-1] is RunEventKind.FINISHED
    assert await told(world) == [NotificationOutcome.FAILED, NotificationOutcome.QUEUED]
    assert not await ledger_faults(world)


async def test_a_living_worker_keeps_its_run(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await keeper.rescue()
    await execution.finish()
    assert (await keeper.run(execution.run.id)).attempt == 1


async def test_a_heartbeat_is_late_only_after_the_rescue(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await keeper.expire(execution.run.id)
    await execution.heartbeat(LEASE)
    await keeper.rescue()
    assert (await keeper.run(execution.run.id)).status is RunStatus.RUNNING

    await keeper.expire(execution.run.id)
    await keeper.rescue()
    with pytest.raises(LeaseLostError):
        await execution.heartbeat(LEASE)
    assert (await keeper.run(execution.run.id)).status is RunStatus.PENDING


async def test_after_a_restart_of_the_database_workers_get_their_grace(
    world: World, keeper: Keeper
) -> None:
    execution = await world.claimed()
    await keeper.expire(execution.run.id)
    # The tests' database is younger than that; a heartbeat could not come while it was down.
    while await keeper.maintenance.rescue(grace=LONG / 2):
        pass
    assert (await keeper.run(execution.run.id)).status is RunStatus.RUNNING


async def test_many_rescuers_take_a_run_from_its_worker_once(world: World, keeper: Keeper) -> None:
    executions = [await world.claimed() for _ in range(3)]
    for execution in executions:
        await keeper.expire(execution.run.id)
    await asyncio.gather(*(keeper.rescue() for _ in range(5)))
    for execution in executions:
        assert (await timeline(world, execution.run.id)).count(RunEventKind.REQUEUED) == 1
    assert not await ledger_faults(world)


# Abort


async def test_a_run_that_no_worker_takes_is_given_up(world: World, keeper: Keeper) -> None:
    forgotten, recent = (await world.start()).run, (await world.start()).run
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = now() - interval '400 days' WHERE id = :id",
        id=forgotten.id,
    )
    while await keeper.maintenance.abort_forgotten(limit=timedelta(days=399)):
        pass

    run = await keeper.run(forgotten.id)
    assert (run.status, run.status_bucket) == (RunStatus.ABORTED, StatusBucket.FAILED)
    assert await whole_failure(world, run.id) is FailureReason.QUEUE_TIMEOUT
    assert await timeline(world, run.id) == [RunEventKind.QUEUED, RunEventKind.FINISHED]
    assert (await told(world)).count(NotificationOutcome.FAILED) == 1
    assert await world.claimer.claim(world.tenant_id, run.id, LEASE) is None
    assert (await keeper.run(recent.id)).status is RunStatus.PENDING
    assert not await ledger_faults(world)


# Relay and re-dispatch


class Broker:
    """Notes what it was sent for this tenant, and refuses the runs it is told to."""

    def __init__(self, world: World) -> None:
        self._tenant_id = world.tenant_id
        self.sent: list[UUID] = []
        self.refused: set[UUID] = set()

    async def send(self, dispatch: Dispatch) -> None:
        """Take one message."""
        if dispatch.run_id in self.refused:
            raise DispatchUnavailableError("The broker is away.")
        if dispatch.tenant_id == self._tenant_id:
            assert dispatch.run_type == "inventory.sync"
            self.sent.append(dispatch.run_id)

    async def receive_all(self, keeper: Keeper, concurrency: int = TENANT_CONCURRENCY) -> None:
        """Have everything that is due relayed."""
        while (
            await keeper.maintenance.relay(self.send, tenant_concurrency=concurrency)
            == module.BATCH
        ):
            pass


async def test_orders_are_sent_in_turn_and_once(world: World, keeper: Keeper) -> None:
    broker = Broker(world)
    run_ids = [(await world.start()).run.id for _ in range(5)]
    await broker.receive_all(keeper)
    await broker.receive_all(keeper)
    assert broker.sent == run_ids
    assert await orders(world, run_ids[0]) == []


async def test_what_was_sent_before_a_failure_is_done_and_the_rest_stays(
    world: World, keeper: Keeper
) -> None:
    await keeper.drain()
    broker = Broker(world)
    run_ids = [(await world.start()).run.id for _ in range(5)]
    broker.refused = {run_ids[2]}
    with pytest.raises(DispatchUnavailableError):
        await broker.receive_all(keeper)
    assert broker.sent == run_ids[:2]
    assert [len(await orders(world, run_id)) for run_id in run_ids] == [0, 0, 1, 1, 1]

    broker.refused = set()
    await broker.receive_all(keeper)
    assert broker.sent == run_ids


async def test_a_delayed_order_waits(world: World, keeper: Keeper) -> None:
    broker = Broker(world)
    execution = await world.claimed()
    await broker.receive_all(keeper)
    await execution.release(timedelta(minutes=1))
    await broker.receive_all(keeper)
    assert broker.sent == [execution.run.id]


async def test_one_relay_at_a_time_sends(world: World, keeper: Keeper) -> None:
    await keeper.drain()
    broker = Broker(world)
    run_ids = [(await world.start()).run.id for _ in range(5)]

    async def send(dispatch: Dispatch) -> None:
        await broker.receive_all(keeper)
        await broker.send(dispatch)

    async with asyncio.timeout(10):
        await keeper.maintenance.relay(send, tenant_concurrency=3)
    assert broker.sent == run_ids[:3]


async def test_a_tenants_queue_stays_in_the_outbox_until_workers_have_done_its_share(
    world: World, keeper: Keeper
) -> None:
    broker = Broker(world)
    run_ids = [(await world.start()).run.id for _ in range(5)]
    await broker.receive_all(keeper, concurrency=2)
    assert broker.sent == run_ids[:2]

    execution = await keeper.claim(run_ids[0])
    await broker.receive_all(keeper, concurrency=2)
    assert broker.sent == run_ids[:2]

    await execution.finish()
    await broker.receive_all(keeper, concurrency=2)
    assert broker.sent == run_ids[:3]


async def test_a_run_that_waits_for_another_attempt_leaves_its_place_to_others(
    world: World, keeper: Keeper
) -> None:
    broker = Broker(world)
    released, rescued, forgotten, *others = [(await world.start()).run.id for _ in range(6)]
    await broker.receive_all(keeper, concurrency=3)
    await (await keeper.claim(released)).release(timedelta(hours=1))
    await keeper.claim(rescued)
    await keeper.expire(rescued)
    await keeper.rescue()
    await forget(world, forgotten, LONG)
    await redispatch_all(keeper)
    await broker.receive_all(keeper, concurrency=3)
    assert broker.sent == [released, rescued, forgotten, *others]


async def test_the_queue_of_one_tenant_does_not_delay_the_runs_of_another(
    world: World, keeper: Keeper, resources: dict[Login, Resources], tmp_path: Path
) -> None:
    await keeper.drain()
    await queue_runs(world, 1000)
    others = [await World.create(resources, tmp_path) for _ in range(2)]
    runs = {(await other.start()).run.id for other in others}
    sent: list[Dispatch] = []

    async def send(dispatch: Dispatch) -> None:
        sent.append(dispatch)

    await keeper.maintenance.relay(send, tenant_concurrency=4)
    assert runs < {dispatch.run_id for dispatch in sent}
    assert [dispatch.tenant_id for dispatch in sent].count(world.tenant_id) == 4


async def test_a_fast_worker_does_not_hold_up_the_relay(world: World, keeper: Keeper) -> None:
    await keeper.drain()
    started = await world.start()

    async with AsyncExitStack() as stack:

        async def send(dispatch: Dispatch) -> None:
            # Orders of other tests' tenants become due at any time.
            if dispatch.tenant_id != world.tenant_id:
                return
            execution = await world.claimer.claim(dispatch.tenant_id, dispatch.run_id, LEASE)
            assert execution is not None
            batch = await stack.enter_async_context(execution.batch())
            batch.succeeded("a")

        async with asyncio.timeout(5):
            await keeper.maintenance.relay(send, tenant_concurrency=TENANT_CONCURRENCY)
    assert (await keeper.run(started.run.id)).counts.succeeded == 1


async def forget(world: World, run_id: UUID, ago: timedelta) -> None:
    """Let the run have been ordered and sent so long ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = clock_timestamp() - CAST(:ago AS interval),"
        " created_at = clock_timestamp() - CAST(:ago AS interval),"
        " last_dispatched_at = clock_timestamp() - CAST(:ago AS interval) WHERE id = :id",
        id=run_id,
        ago=ago,
    )


async def test_a_run_whose_message_got_lost_is_ordered_anew_once(
    world: World, keeper: Keeper
) -> None:
    broker = Broker(world)
    lost, fresh, ordered = [(await world.start()).run.id for _ in range(3)]
    await broker.receive_all(keeper)
    broker.sent.clear()
    await forget(world, lost, LONG)
    await forget(world, ordered, LONG)
    await world.write(
        "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type, not_before)"
        " VALUES (:tenant_id, :id, 'inventory.sync', clock_timestamp() + interval '1 hour')",
        id=ordered,
    )
    await asyncio.gather(*(redispatch_all(keeper) for _ in range(3)))
    assert [len(await orders(world, run_id)) for run_id in (lost, fresh, ordered)] == [1, 0, 1]

    await broker.receive_all(keeper)
    await redispatch_all(keeper)
    assert broker.sent == [lost]
    assert await orders(world, lost) == []


async def redispatch_all(keeper: Keeper) -> None:
    """Order anew whatever has been forgotten for half an hour."""
    while await keeper.maintenance.redispatch(stale=LONG / 2) == module.BATCH:
        pass


async def test_only_pending_runs_are_ordered_anew(world: World, keeper: Keeper) -> None:
    broker = Broker(world)
    execution = await world.claimed()
    await broker.receive_all(keeper)
    await forget(world, execution.run.id, LONG)
    await redispatch_all(keeper)
    assert await orders(world, execution.run.id) == []


# Purge


async def ended(execution: RunExecution) -> UUID:
    """Finish the run."""
    await execution.finish()
    return execution.run.id


async def age(world: World, run_ids: list[UUID], days: int) -> None:
    """Let the runs have ended so many days ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET finished_at = clock_timestamp()"
        " - make_interval(days => :days) WHERE id = ANY(:ids)",
        ids=run_ids,
        days=days,
    )


ACTIVE = "SELECT id FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND finished_at IS NULL"


async def purge(world: World) -> int:
    """Purge one batch of the tenant."""
    return await inventory_maintenance(world).purge_runs(world.tenant_id)


async def kept(world: World) -> set[UUID]:
    """Return the runs that are still there."""
    rows = await world.rows("SELECT id FROM opsrun.operation_run WHERE tenant_id = :tenant_id")
    return {row.id for row in rows}


async def test_only_what_ended_before_the_retention_goes(world: World, keeper: Keeper) -> None:
    old, recent = [await ended(await world.claimed()) for _ in range(2)]
    queued, running = (await world.start()).run.id, (await world.claimed()).run.id
    for run_id in (queued, running):
        await world.write(
            "UPDATE opsrun.operation_run SET created_at = now() - interval '9 years',"
            " started_at = now() - interval '9 years' WHERE id = :id",
            id=run_id,
        )
    await world.cases.tenancy.set_retention(await world.access(TenantRole.OWNER), 30)
    await age(world, [old], 31)
    await age(world, [recent], 29)
    assert (await keeper.run(old)).expires_at is not None
    assert (await keeper.run(running)).expires_at is None

    assert await purge(world) == 1
    assert await kept(world) == {recent, queued, running}


OF_RUN = {
    key.parent.table.name
    for table in metadata.sorted_tables
    for key in table.foreign_keys
    if key.column.table is operation_run
}


async def test_a_run_goes_with_all_that_hangs_off_it(world: World, keeper: Keeper) -> None:
    await fill(world)
    await asyncio.gather(*(world.claimed() for _ in range(2)))
    active = {row.id for row in await world.rows(ACTIVE)}
    before = await count_rows(world)
    assert all(before[name] for name in OF_RUN)
    await age(world, list(await kept(world) - active), 91)
    # A scope that is gone pins nothing.
    await world.write("DELETE FROM opsrun.inventory_scope WHERE tenant_id = :tenant_id")

    assert await purge(world) == 5
    assert await kept(world) == active
    left = {
        row.run_id
        for name in OF_RUN
        for row in await world.rows(
            f"SELECT run_id FROM opsrun.{name} WHERE tenant_id = :tenant_id"
        )
    }
    assert left == active
    # What does not hang off a run stays.
    unlike = {name: rows for name, rows in (await count_rows(world)).items() if name not in OF_RUN}
    assert unlike == {
        **{name: rows for name, rows in before.items() if name in unlike},
        "operation_run": 3,
        "inventory_scope": 0,
    }


async def test_the_current_snapshot_and_its_baseline_are_spared(
    world: World, keeper: Keeper
) -> None:
    await fill(world)
    await sync(world)
    rows = await world.rows(
        "SELECT id, subject, status_bucket FROM opsrun.operation_run"
        " WHERE tenant_id = :tenant_id AND finished_at IS NOT NULL ORDER BY created_at"
    )
    await age(world, [row.id for row in rows], 9999)
    spared = [row.id for row in rows if (row.subject, row.status_bucket) == ("prod", "SUCCEEDED")]
    drift, oldest, *newest = spared[2], *spared[:2], spared[3]
    assert await purge(world) == len(rows) - 2
    assert {row.id for row in rows} & await kept(world) == set(newest)
    assert not {drift, oldest} & await kept(world)
    assert await purge(world) == 0


async def test_a_purge_goes_in_batches(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "BATCH", 2)
    run_ids = await insert_runs(world, [{"status": RunStatus.COMPLETED}] * 5)
    await age(world, run_ids, 91)
    # The oldest go first.
    await age(world, run_ids[3:], 92)
    assert await purge(world) == 2
    assert await kept(world) == set(run_ids[:3])
    assert [await purge(world) for _ in range(3)] == [2, 1, 0]


async def test_two_purges_at_once_delete_each_run_once(
    world: World, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "BATCH", 5)
    run_ids = await insert_runs(world, [{"status": RunStatus.COMPLETED}] * 20)
    await age(world, run_ids, 91)
    deleted = await asyncio.gather(*(purge(world) for _ in range(4)))
    while count := await purge(world):
        deleted.append(count)
    assert sum(deleted) == 20


async def test_other_tenants_lose_nothing(world: World, keeper: Keeper, tmp_path: Path) -> None:
    neighbour = await World.create(world.resources, tmp_path)
    for each in (world, neighbour):
        await age(each, [await ended(await each.claimed())], 91)
    rows = await count_rows(neighbour)
    assert await purge(world) == 1
    assert await kept(world) == set()
    assert await count_rows(neighbour) == rows


async def test_cursors_from_before_a_purge_are_void_and_later_ones_hold(
    world: World, keeper: Keeper
) -> None:
    api = world.resources[Login.API]
    access = await world.access()
    start = await world.cursor(access)
    old = await ended(await world.claimed())
    after_old = await world.cursor(access)
    await world.start()
    await age(world, [old], 91)
    await purge(world)

    async with TenantFeeds(api.transactions, api.wakeups).follow(world.tenant_id) as feed:
        for seq in (start.seq, after_old.seq - 1):
            with pytest.raises(FeedGapError):
                await feed.after(FeedCursor(start.epoch, seq), 5)
        (event,) = await feed.after(after_old, 5)
    assert event.seq == after_old.seq + 1
