"""Any number of maintenance processes keep runs going without a person."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.inventory import maintenance as inventory_module
from domain.lifecycle import RunStatus, StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs import maintenance as module
from domain.runs.dispatching import DispatchUnavailableError
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.feed import FeedGapError, TenantFeeds
from domain.runs.models import Dispatch, FeedCursor, RunEventKind
from domain.tables import metadata, operation_run
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.acts import (
    age,
    claim,
    expire_lease,
    insert_runs,
    inventory_maintenance,
    queue_runs,
    relay,
    rescue,
    run_maintenance,
    sync,
    take_over,
)
from tests.domain.filling import fill
from tests.ledger import count_rows, ledger_faults, only_failure, outcomes, reload, timeline
from tests.world import LEASE, TENANT_CONCURRENCY, World

HOUR = timedelta(hours=1)


async def outbox_delays(world: World, run_id: UUID) -> list[timedelta]:
    """Return the run's outbox entries as their delays after the run's last event."""
    rows = await world.rows(
        "SELECT not_before - (SELECT max(occurred_at) FROM opsrun.run_event WHERE run_id = :id)"
        " AS due FROM opsrun.outbox WHERE run_id = :id",
        id=run_id,
    )
    return [row.due for row in rows]


# Rescue


async def test_the_run_of_a_lost_worker_is_queued_again_after_a_delay(world: World) -> None:
    execution = await world.start_and_claim()
    run_id = execution.run.id
    await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    await expire_lease(world, run_id)
    await rescue(world)

    run = await reload(world, run_id)
    assert (run.status, run.attempt) == (RunStatus.PENDING, 1)
    (due,) = await outbox_delays(world, run_id)
    assert timedelta(seconds=1) < due <= timedelta(seconds=2)
    assert await timeline(world, run_id) == [
        RunEventKind.QUEUED,
        RunEventKind.STARTED,
        RunEventKind.REQUEUED,
    ]
    assert await outcomes(world) == [NotificationOutcome.QUEUED]
    assert not await ledger_faults(world)


async def test_each_further_attempt_waits_longer(world: World) -> None:
    execution = await take_over(world, await world.start_and_claim())
    await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
    await expire_lease(world, execution.run.id)
    await rescue(world)
    (due,) = await outbox_delays(world, execution.run.id)
    assert timedelta(seconds=3) < due <= timedelta(seconds=4)


async def test_a_run_without_attempts_left_fails_and_its_initiator_is_notified(
    world: World,
) -> None:
    execution = await world.start_and_claim()
    for _ in range(2):
        execution = await take_over(world, execution)
    await expire_lease(world, execution.run.id)
    await rescue(world)

    run = await reload(world, execution.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.WORKER_LOST)
    assert (await timeline(world, run.id))[-1] is RunEventKind.FINISHED
    assert await outcomes(world) == [NotificationOutcome.FAILED, NotificationOutcome.QUEUED]
    assert not await ledger_faults(world)


async def test_a_worker_with_a_valid_lease_keeps_its_run(world: World) -> None:
    execution = await world.start_and_claim()
    await rescue(world)
    await execution.finish()
    assert (await reload(world, execution.run.id)).attempt == 1


async def test_a_late_heartbeat_keeps_the_run_until_the_rescue(world: World) -> None:
    execution = await world.start_and_claim()
    await expire_lease(world, execution.run.id)
    await execution.heartbeat(LEASE)
    await rescue(world)
    assert (await reload(world, execution.run.id)).status is RunStatus.RUNNING

    await expire_lease(world, execution.run.id)
    await rescue(world)
    with pytest.raises(LeaseLostError):
        await execution.heartbeat(LEASE)
    assert (await reload(world, execution.run.id)).status is RunStatus.PENDING


async def test_workers_get_a_grace_period_after_a_restart_of_the_database(world: World) -> None:
    execution = await world.start_and_claim()
    await expire_lease(world, execution.run.id)
    # The database started more recently; heartbeats failed while it was down.
    while await run_maintenance(world).rescue(grace=HOUR / 2):
        pass
    assert (await reload(world, execution.run.id)).status is RunStatus.RUNNING


async def test_concurrent_rescues_requeue_a_run_once(world: World) -> None:
    executions = [await world.start_and_claim() for _ in range(3)]
    for execution in executions:
        await expire_lease(world, execution.run.id)
    await asyncio.gather(*(rescue(world) for _ in range(5)))
    for execution in executions:
        assert (await timeline(world, execution.run.id)).count(RunEventKind.REQUEUED) == 1
    assert not await ledger_faults(world)


# Abort


async def test_a_run_that_no_worker_claims_is_aborted(world: World) -> None:
    forgotten, recent = (await world.start()).run, (await world.start()).run
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = now() - interval '400 days' WHERE id = :id",
        id=forgotten.id,
    )
    while await run_maintenance(world).abort_forgotten(limit=timedelta(days=399)):
        pass

    run = await reload(world, forgotten.id)
    assert (run.status, run.status_bucket) == (RunStatus.ABORTED, StatusBucket.FAILED)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.QUEUE_TIMEOUT)
    assert await timeline(world, run.id) == [RunEventKind.QUEUED, RunEventKind.FINISHED]
    assert (await outcomes(world)).count(NotificationOutcome.FAILED) == 1
    assert await world.claimer.claim(world.tenant_id, run.id, LEASE) is None
    assert (await reload(world, recent.id)).status is RunStatus.PENDING
    assert not await ledger_faults(world)


# Dispatch and re-dispatch


class Broker:
    """Records the messages of this tenant, and refuses those of the runs in `refused`."""

    def __init__(self) -> None:
        self.sent: list[UUID] = []
        self.refused: set[UUID] = set()

    async def send(self, dispatches: Sequence[Dispatch]) -> None:
        """Accept messages, until one is refused."""
        for dispatch in dispatches:
            if dispatch.run_id in self.refused:
                raise DispatchUnavailableError("The broker is away.")
            assert dispatch.run_type == "inventory.sync"
            self.sent.append(dispatch.run_id)


async def test_outbox_entries_are_dispatched_once_and_in_order(world: World) -> None:
    broker = Broker()
    run_ids = [(await world.start()).run.id for _ in range(5)]
    await relay(world, broker.send)
    await relay(world, broker.send)
    assert broker.sent == run_ids
    assert await outbox_delays(world, run_ids[0]) == []


async def test_a_failed_dispatch_keeps_all_entries(world: World) -> None:
    await relay(world)
    broker = Broker()
    run_ids = [(await world.start()).run.id for _ in range(5)]
    broker.refused = {run_ids[2]}
    with pytest.raises(DispatchUnavailableError):
        await relay(world, broker.send)
    assert broker.sent == run_ids[:2]
    assert [len(await outbox_delays(world, run_id)) for run_id in run_ids] == [1] * 5

    broker.refused = set()
    await relay(world, broker.send)
    # A duplicate does nothing.
    assert broker.sent == [*run_ids[:2], *run_ids]


async def test_a_delayed_outbox_entry_waits(world: World) -> None:
    broker = Broker()
    execution = await world.start_and_claim()
    await relay(world, broker.send)
    await execution.release(timedelta(minutes=1))
    await relay(world, broker.send)
    assert broker.sent == [execution.run.id]


async def test_only_one_relay_dispatches_at_a_time(world: World) -> None:
    await relay(world)
    broker = Broker()
    run_ids = [(await world.start()).run.id for _ in range(5)]

    async def send(dispatches: Sequence[Dispatch]) -> None:
        await relay(world, broker.send)
        await broker.send(dispatches)

    async with asyncio.timeout(10):
        await run_maintenance(world).relay(send, tenant_concurrency=3)
    # Entries of other tests may have become due.
    assert [run_id for run_id in broker.sent if run_id in run_ids] == run_ids[:3]


async def test_a_tenant_has_at_most_its_share_of_runs_dispatched(world: World) -> None:
    broker = Broker()
    run_ids = [(await world.start()).run.id for _ in range(5)]
    await relay(world, broker.send, tenant_concurrency=2)
    assert broker.sent == run_ids[:2]

    execution = await claim(world, run_ids[0])
    await relay(world, broker.send, tenant_concurrency=2)
    assert broker.sent == run_ids[:2]

    await execution.finish()
    await relay(world, broker.send, tenant_concurrency=2)
    assert broker.sent == run_ids[:3]


async def test_a_run_that_waits_for_another_attempt_does_not_count_against_the_share(
    world: World,
) -> None:
    broker = Broker()
    released, rescued, forgotten, *others = [(await world.start()).run.id for _ in range(6)]
    await relay(world, broker.send, tenant_concurrency=3)
    await (await claim(world, released)).release(timedelta(hours=1))
    await claim(world, rescued)
    await expire_lease(world, rescued)
    await rescue(world)
    await backdate(world, forgotten)
    await redispatch_all(world)
    await relay(world, broker.send, tenant_concurrency=3)
    assert broker.sent == [released, rescued, forgotten, *others]


async def test_the_queue_of_one_tenant_does_not_delay_the_runs_of_another(
    world: World, resources: dict[Login, Resources], tmp_path: Path
) -> None:
    await relay(world)
    await queue_runs(world, 1000)
    others = [await World.create(resources, tmp_path) for _ in range(2)]
    runs = {(await other.start()).run.id for other in others}
    sent: list[Dispatch] = []

    async def send(dispatches: Sequence[Dispatch]) -> None:
        sent.extend(dispatches)

    await run_maintenance(world).relay(send, tenant_concurrency=4)
    assert runs < {dispatch.run_id for dispatch in sent}
    assert [dispatch.tenant_id for dispatch in sent].count(world.tenant_id) == 4


async def test_a_worker_that_claims_at_once_does_not_block_the_relay(world: World) -> None:
    await relay(world)
    started = await world.start()

    async with AsyncExitStack() as stack:

        async def send(dispatches: Sequence[Dispatch]) -> None:
            # Entries of other tests' tenants become due at any time.
            (dispatch,) = (d for d in dispatches if d.tenant_id == world.tenant_id)
            execution = await world.claimer.claim(dispatch.tenant_id, dispatch.run_id, LEASE)
            assert execution is not None
            batch = await stack.enter_async_context(execution.batch())
            batch.succeeded("a")

        async with asyncio.timeout(5):
            await run_maintenance(world).relay(send, tenant_concurrency=TENANT_CONCURRENCY)
    assert (await reload(world, started.run.id)).counts.succeeded == 1


async def backdate(world: World, run_id: UUID) -> None:
    """Make the run start and be dispatched an hour ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = clock_timestamp() - CAST(:ago AS interval),"
        " created_at = clock_timestamp() - CAST(:ago AS interval),"
        " last_dispatched_at = clock_timestamp() - CAST(:ago AS interval) WHERE id = :id",
        id=run_id,
        ago=HOUR,
    )


async def test_a_run_whose_message_was_lost_gets_one_new_outbox_entry(world: World) -> None:
    broker = Broker()
    lost, recent, in_outbox = [(await world.start()).run.id for _ in range(3)]
    await relay(world, broker.send)
    broker.sent.clear()
    await backdate(world, lost)
    await backdate(world, in_outbox)
    await world.write(
        "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type, not_before)"
        " VALUES (:tenant_id, :id, 'inventory.sync', clock_timestamp() + interval '1 hour')",
        id=in_outbox,
    )
    await asyncio.gather(*(redispatch_all(world) for _ in range(3)))
    entries = [len(await outbox_delays(world, run_id)) for run_id in (lost, recent, in_outbox)]
    assert entries == [1, 0, 1]

    await relay(world, broker.send)
    await redispatch_all(world)
    assert broker.sent == [lost]
    assert await outbox_delays(world, lost) == []


async def redispatch_all(world: World) -> None:
    """Put runs into the outbox again that were dispatched more than half an hour ago."""
    while await run_maintenance(world).redispatch(stale=HOUR / 2) == module.BATCH:
        pass


async def test_only_pending_runs_are_dispatched_again(world: World) -> None:
    broker = Broker()
    execution = await world.start_and_claim()
    await relay(world, broker.send)
    await backdate(world, execution.run.id)
    await redispatch_all(world)
    assert await outbox_delays(world, execution.run.id) == []


# Purge


async def ended_run(world: World) -> UUID:
    """Start a run, finish it, and return its id."""
    execution = await world.start_and_claim()
    await execution.finish()
    return execution.run.id


ACTIVE = "SELECT id FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND finished_at IS NULL"


async def purge(world: World) -> int:
    """Purge one batch of the tenant."""
    return await inventory_maintenance(world).purge_runs(world.tenant_id)


async def run_ids_of(world: World) -> set[UUID]:
    """Return the ids of the tenant's runs."""
    rows = await world.rows("SELECT id FROM opsrun.operation_run WHERE tenant_id = :tenant_id")
    return {row.id for row in rows}


async def test_only_runs_that_ended_before_the_retention_are_purged(world: World) -> None:
    old, recent = [await ended_run(world) for _ in range(2)]
    queued, running = (await world.start()).run.id, (await world.start_and_claim()).run.id
    for run_id in (queued, running):
        await world.write(
            "UPDATE opsrun.operation_run SET created_at = now() - interval '9 years',"
            " started_at = now() - interval '9 years' WHERE id = :id",
            id=run_id,
        )
    await world.cases.tenancy.set_retention(await world.access(TenantRole.OWNER), 30)
    await age(world, old, days=31)
    await age(world, recent, days=29)
    assert (await reload(world, old)).expires_at is not None
    assert (await reload(world, running)).expires_at is None

    assert await purge(world) == 1
    assert await run_ids_of(world) == {recent, queued, running}


TABLES_OF_RUN = {
    key.parent.table.name
    for table in metadata.sorted_tables
    for key in table.foreign_keys
    if key.column.table is operation_run
}


async def test_a_purged_run_takes_all_its_rows_along(world: World) -> None:
    await fill(world)
    await asyncio.gather(*(world.start_and_claim() for _ in range(2)))
    active = {row.id for row in await world.rows(ACTIVE)}
    before = await count_rows(world)
    assert all(before[name] for name in TABLES_OF_RUN)
    await age(world, *(await run_ids_of(world) - active), days=91)
    # A scope that no longer exists protects no snapshot.
    await world.write("DELETE FROM opsrun.inventory_scope WHERE tenant_id = :tenant_id")

    assert await purge(world) == 5
    assert await run_ids_of(world) == active
    left = {
        row.run_id
        for name in TABLES_OF_RUN
        for row in await world.rows(
            f"SELECT run_id FROM opsrun.{name} WHERE tenant_id = :tenant_id"
        )
    }
    assert left == active
    # Rows of other tables stay.
    others = {
        name: rows for name, rows in (await count_rows(world)).items() if name not in TABLES_OF_RUN
    }
    assert others == {
        **{name: rows for name, rows in before.items() if name in others},
        "operation_run": 3,
        "run_count": 0,  # active runs are not counted
        "inventory_scope": 0,
    }


async def test_the_current_snapshot_and_its_baseline_are_kept(world: World) -> None:
    await fill(world)
    await sync(world)
    rows = await world.rows(
        "SELECT id, subject, status_bucket FROM opsrun.operation_run"
        " WHERE tenant_id = :tenant_id AND finished_at IS NOT NULL ORDER BY created_at"
    )
    await age(world, *(row.id for row in rows), days=9999)
    succeeded = [
        row.id for row in rows if (row.subject, row.status_bucket) == ("prod", "SUCCEEDED")
    ]
    drift, oldest, *newest = succeeded[2], *succeeded[:2], succeeded[3]
    assert await purge(world) == len(rows) - 2
    assert {row.id for row in rows} & await run_ids_of(world) == set(newest)
    assert not {drift, oldest} & await run_ids_of(world)
    assert await purge(world) == 0


async def test_a_purge_works_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_module, "BATCH", 2)
    run_ids = await insert_runs(world, [{"status": RunStatus.COMPLETED}] * 5)
    await age(world, *run_ids, days=91)
    # The oldest are deleted first.
    await age(world, *run_ids[3:], days=92)
    assert await purge(world) == 2
    assert await run_ids_of(world) == set(run_ids[:3])
    assert [await purge(world) for _ in range(3)] == [2, 1, 0]


async def test_concurrent_purges_delete_each_run_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "BATCH", 5)
    run_ids = await insert_runs(world, [{"status": RunStatus.COMPLETED}] * 20)
    await age(world, *run_ids, days=91)
    deleted = await asyncio.gather(*(purge(world) for _ in range(4)))
    while count := await purge(world):
        deleted.append(count)
    assert sum(deleted) == 20


async def test_a_purge_leaves_other_tenants_alone(world: World, tmp_path: Path) -> None:
    neighbour = await World.create(world.resources, tmp_path)
    for each in (world, neighbour):
        await age(each, await ended_run(each), days=91)
    rows = await count_rows(neighbour)
    assert await purge(world) == 1
    assert await run_ids_of(world) == set()
    assert await count_rows(neighbour) == rows


async def test_a_purge_invalidates_older_cursors_and_no_later_ones(world: World) -> None:
    api = world.resources[Login.API]
    access = await world.access()
    start = await world.cursor(access)
    old = await ended_run(world)
    after_old = await world.cursor(access)
    await world.start()
    await age(world, old, days=91)
    await purge(world)

    async with TenantFeeds(api.transactions, api.wakeups).follow(world.tenant_id) as feed:
        for seq in (start.seq, after_old.seq - 1):
            with pytest.raises(FeedGapError):
                await feed.after(FeedCursor(start.epoch, seq), 5)
        (event,) = await feed.after(after_old, 5)
    assert event.seq == after_old.seq + 1
