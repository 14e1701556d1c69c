"""The loops that keep everything going: through outages, side by side, after a worker's death."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from domain.inventory.repository.scopes import scopes
from domain.lifecycle import RunStatus, StatusBucket
from domain.notifications import repository as notifications_repository
from domain.notifications.models import NotificationOutcome
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.maintenance import DispatchUnavailableError, Send
from domain.runs.models import Dispatch, RunEventKind, StartedRun
from domain.runs.repository import reading
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login
from tests.domain.ledger import ledger_faults
from tests.workers.outages import Fragile
from tests.working import (
    age,
    ended,
    export,
    failures,
    lose_worker,
    policy,
    relay,
    start_sync,
    sync,
    until,
)
from tests.world import LEASE, TENANT_CONCURRENCY, World, nothing_waits
from workers import maintenance as maintenance_module
from workers.maintenance import Maintenance, QueueAge

NOTHING = timedelta(0)


class Sent:
    """Notes down what is sent of one tenant, after it refused for as often as it is told to."""

    def __init__(self, world: World, refusals: int = 0) -> None:
        self.run_ids: list[UUID] = []
        self._world = world
        self._refusals = refusals

    async def __call__(self, dispatch: Dispatch) -> None:
        if self._refusals:
            self._refusals -= 1
            raise DispatchUnavailableError("Redis is down")
        if dispatch.tenant_id == self._world.tenant_id:
            self.run_ids.append(dispatch.run_id)


def maintenance(
    world: World,
    send: Send,
    *,
    queue_age: QueueAge = nothing_waits,
    transactions: Transactions | None = None,
    redispatch_after: timedelta = timedelta(hours=1),
) -> Maintenance:
    """Maintenance that gives a lost worker no grace."""
    keeper = world.resources[Login.MAINTENANCE]
    return Maintenance(
        transactions or keeper.transactions,
        keeper.wakeups,
        send,
        queue_age,
        lease=NOTHING,
        redispatch_after=redispatch_after,
        queue_timeout=timedelta(days=1),
        tenant_concurrency=TENANT_CONCURRENCY,
    )


@asynccontextmanager
async def running(*all_of_it: Maintenance) -> AsyncIterator[None]:
    """Let maintenance run, and see that it ends cleanly when it is cancelled."""
    before = asyncio.all_tasks()
    loops = [asyncio.create_task(some.run()) for some in all_of_it]
    try:
        yield
        assert not [loop for loop in loops if loop.done()]
    finally:
        for loop in loops:
            loop.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait(loops)
    assert all(loop.cancelled() for loop in loops)
    assert asyncio.all_tasks() <= before


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every loop turn often, and the relay not only on a wake-up."""
    for name in ("_RELAY_POLL_SECONDS", "_RESCUE_SECONDS", "_SCOPES_SECONDS"):
        monkeypatch.setattr(maintenance_module, name, 0.02)


async def expire_lease(world: World, run_id: UUID) -> None:
    await world.write(
        "UPDATE opsrun.operation_run SET lease_expires_at = clock_timestamp() - interval '1 hour'"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=run_id,
    )


async def notified(world: World) -> list[NotificationOutcome]:
    """What the operator was told, the oldest first."""
    told = await world.read(
        notifications_repository.page,
        await world.access(TenantRole.OPERATOR),
        after=None,
        unread_only=False,
        limit=100,
    )
    return [notification.outcome for notification in told][::-1]


async def timeline(world: World, run_id: UUID) -> list[RunEventKind]:
    events = await world.read(reading.events, await world.access(), [run_id], after=None, limit=100)
    return [event.kind for event in events[run_id]]


def has_sent(sent: Sent, started: StartedRun) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return started.run.id in sent.run_ids

    return check


class TestRunning:
    async def test_relays_at_once_when_it_is_nudged(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(maintenance_module, "_RELAY_POLL_SECONDS", 3600.0)
        sent, earlier = Sent(world), await world.start()
        async with running(maintenance(world, sent)):
            await until(has_sent(sent, earlier))
            for _ in range(3):
                started = await world.start()
                await until(has_sent(sent, started))

    @pytest.mark.usefixtures("hurried")
    async def test_relays_without_any_nudge(self, world: World) -> None:
        sent, started = Sent(world), await world.start()
        await relay(world)
        async with running(maintenance(world, sent)):
            # As if the nudge had been lost: only the order lies there.
            await world.write(
                "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type)"
                " VALUES (:tenant_id, :run_id, 'inventory.sync')",
                run_id=started.run.id,
            )
            await until(has_sent(sent, started))

    @pytest.mark.usefixtures("hurried")
    async def test_outlives_a_broker_that_is_down(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        sent, started = Sent(world, refusals=1), await world.start()
        with caplog.at_level(logging.WARNING, maintenance_module.__name__):
            async with running(maintenance(world, sent)):
                await until(has_sent(sent, started))
        (told,) = {r.getMessage() for r in caplog.records if "waits" in r.getMessage()}
        assert told == "Maintenance waits: Redis is down"

    @pytest.mark.usefixtures("hurried")
    async def test_outlives_a_database_that_is_down(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        fragile = Fragile(world.resources[Login.MAINTENANCE].engine)
        fragile.down = True
        sent, started = Sent(world), await world.start()

        async def waits() -> bool:
            return caplog.text.count("Maintenance waits: ") >= 4

        async with running(maintenance(world, sent, transactions=fragile)):
            # All four loops.
            await until(waits)
            fragile.down = False
            await until(has_sent(sent, started))

    @pytest.mark.usefixtures("hurried")
    async def test_outlives_a_fault_of_its_own(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        faults = iter([RuntimeError("a fault of its own")])
        find_scopes = Maintenance.find_scopes

        async def fail_once(self: Maintenance) -> None:
            for fault in faults:
                raise fault
            await find_scopes(self)

        monkeypatch.setattr(Maintenance, "find_scopes", fail_once)
        export(world, policy("a"))

        async def scope_is_found() -> bool:
            return bool(await world.read(scopes, await world.access()))

        async with running(maintenance(world, Sent(world))):
            await until(scope_is_found)
        (told,) = [r for r in caplog.records if r.getMessage() == "A maintenance step failed"]
        assert told.exc_info is not None
        assert str(told.exc_info[1]) == "a fault of its own"

    @pytest.mark.usefixtures("hurried")
    async def test_twice_at_once_does_everything_once(self, world: World) -> None:
        claimed = [await world.claimed() for _ in range(5)]
        await relay(world)
        pending = [await world.start() for _ in range(30)]
        for execution in claimed:
            await expire_lease(world, execution.run.id)
        sent = [Sent(world), Sent(world)]
        both = [maintenance(world, send) for send in sent]

        async def all_is_done() -> bool:
            runs = await world.read(
                reading.by_ids, await world.access(), [execution.run.id for execution in claimed]
            )
            requeued = all(run.status is RunStatus.PENDING for run in runs.values())
            return requeued and sum(len(s.run_ids) for s in sent) >= len(pending)

        async with running(*both):
            await until(all_is_done)
        # Not those that were requeued, which are due some seconds later.
        rescued = {execution.run.id for execution in claimed}
        relayed = [key for some in sent for key in some.run_ids if key not in rescued]
        assert sorted(relayed) == sorted(started.run.id for started in pending)
        for execution in claimed:
            assert (await timeline(world, execution.run.id)).count(RunEventKind.REQUEUED) == 1
        assert await ledger_faults(world) == []


class TestALostWorker:
    async def test_costs_an_attempt_and_no_word(self, world: World) -> None:
        export(world, policy("a"))
        started = await start_sync(world)
        lost = await world.claimer.claim(world.tenant_id, started.run.id, LEASE)
        assert lost is not None
        await relay(world)
        await lose_worker(world, started.run.id)
        assert (await ended(world, started)).status is RunStatus.PENDING
        assert await notified(world) == [NotificationOutcome.QUEUED]
        await world.work(started)
        with pytest.raises(LeaseLostError):
            await lost.finish()
        with pytest.raises(LeaseLostError):
            await lost.fail(FailureReason.INTERNAL_ERROR, "late")
        run = await ended(world, started)
        assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 2)
        assert await notified(world) == [
            NotificationOutcome.QUEUED,
            NotificationOutcome.SUCCEEDED,
        ]
        assert await timeline(world, started.run.id) == [
            RunEventKind.QUEUED,
            RunEventKind.STARTED,
            RunEventKind.REQUEUED,
            RunEventKind.STARTED,
            RunEventKind.PROGRESSED,
            RunEventKind.PROGRESSED,
            RunEventKind.FINISHED,
        ]

    async def test_is_told_once_when_it_was_the_last(self, world: World) -> None:
        started = await world.start()
        for attempt in range(1, 4):
            execution = await world.claimer.claim(world.tenant_id, started.run.id, LEASE)
            assert execution is not None
            assert execution.lease.attempt == attempt
            await expire_lease(world, started.run.id)
            # Whoever rescues: one of them does it.
            await asyncio.gather(*(maintenance(world, Sent(world)).rescue() for _ in range(3)))
            if attempt < 3:
                assert (await ended(world, started)).status is RunStatus.PENDING
                await lose_worker(world, started.run.id)
        run = await ended(world, started)
        assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
        (failure,) = (await failures(world, run)).values()
        assert (failure.reason, failure.retryable) == (FailureReason.WORKER_LOST, True)
        assert await notified(world) == [NotificationOutcome.QUEUED, NotificationOutcome.FAILED]
        assert await world.claimer.claim(world.tenant_id, started.run.id, LEASE) is None
        assert await ledger_faults(world) == []

    async def test_that_still_lives_keeps_its_run(self, world: World) -> None:
        execution = await world.claimed()
        await maintenance(world, Sent(world)).rescue()
        await execution.finish()


async def test_a_run_that_no_worker_takes_is_aborted_and_told(world: World) -> None:
    started, younger = await world.start(), await world.start()
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = not_before - interval '25 hours'"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=started.run.id,
    )
    await maintenance(world, Sent(world)).rescue()
    assert (await ended(world, younger)).status is RunStatus.PENDING
    run = await ended(world, started)
    assert (run.status, run.status_bucket) == (RunStatus.ABORTED, StatusBucket.FAILED)
    (failure,) = (await failures(world, run)).values()
    assert failure.reason is FailureReason.QUEUE_TIMEOUT
    assert await notified(world) == [
        NotificationOutcome.QUEUED,
        NotificationOutcome.QUEUED,
        NotificationOutcome.FAILED,
    ]


async def test_a_message_that_got_lost_is_ordered_anew_once(world: World) -> None:
    started = await world.start()
    assert await relay(world) == [started.run.id]
    for _ in range(3):
        await maintenance(world, Sent(world), redispatch_after=NOTHING).rescue()
    assert await relay(world) == [started.run.id]


@pytest.mark.parametrize("age", [timedelta(hours=1), None], ids=["waits", "is out of reach"])
async def test_a_message_that_still_waits_is_not_lost(world: World, age: timedelta | None) -> None:
    await world.start()
    assert len(await relay(world)) == 1

    async def queue_age() -> timedelta | None:
        return age

    keeping = maintenance(world, Sent(world), queue_age=queue_age, redispatch_after=NOTHING)
    await keeping.rescue()
    assert await relay(world) == []


class TestFindingScopes:
    async def test_writes_down_the_folders_there_are(self, world: World) -> None:
        for name in ("prod", "test", ".hidden"):
            (world.exports / name).mkdir()
        (world.exports / "a-file").touch()
        await world.maintenance().find_scopes()
        (world.exports / "test").rmdir()
        (world.exports / "new").mkdir()
        await world.maintenance().find_scopes()
        listed = await world.read(scopes, await world.access())
        # One that is gone is still known: its runs and policies are.
        assert [scope.key for scope in listed] == ["new", "prod", "test"]
        assert {scope.last_snapshot_run_id for scope in listed} == {None}
        seen = {scope.key: scope.last_seen_at for scope in listed}
        assert seen["prod"] > seen["test"]

    async def test_one_tenant_whose_folder_is_gone_holds_up_nobody(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        others = [await World.create(world.resources, world.exports) for _ in range(2)]
        (world.exports / "prod").mkdir()
        await world.write(
            "UPDATE opsrun.tenant SET export_folder = :folder WHERE id = :tenant_id",
            folder=str(world.exports / "gone"),
        )
        await world.maintenance().find_scopes()
        assert await world.read(scopes, await world.access()) == []
        for other in others:
            (scope,) = await other.read(scopes, await other.access())
            assert scope.key == "prod"
        (told,) = [r.getMessage() for r in caplog.records if str(world.tenant_id) in r.getMessage()]
        assert "The export folder cannot be read" in told


class TestHousekeeping:
    async def test_keeps_what_is_young_active_or_compared_with(self, world: World) -> None:
        old = [await sync(world, policy("a", minutes=minutes)) for minutes in range(3)]
        running_run = await world.claimed()
        young = await sync(world, scope_key="nowhere")
        for run in old:
            await age(world, run.id, days=91)
        await age(world, young.id, days=89)
        await world.maintenance().purge()
        access = await world.access()
        everything = [*old, young, running_run.run]
        left = await world.read(reading.by_ids, access, [run.id for run in everything])
        assert set(left) == {old[1].id, old[2].id, young.id, running_run.run.id}

    async def test_follows_the_tenants_own_setting(self, world: World) -> None:
        other = await World.create(world.resources, world.exports)
        owner = await world.access(TenantRole.OWNER)
        await world.cases.tenancy.set_retention(owner, 10)
        mine = await sync(world, scope_key="nowhere")
        theirs = await sync(other, scope_key="nowhere")
        for tenant, run in ((world, mine), (other, theirs)):
            await age(tenant, run.id, days=11)
        await world.maintenance().purge()
        assert await world.read(reading.by_ids, owner, [mine.id]) == {}
        assert set(await other.read(reading.by_ids, await other.access(), [theirs.id])) == {
            theirs.id
        }
