"""Maintenance survives outages, runs beside itself, and rescues the runs of dead workers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from domain.inventory import maintenance as inventory_maintenance_module
from domain.inventory.repository.scopes import scopes
from domain.lifecycle import RunStatus, StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.dispatching import DispatchUnavailableError
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.models import Dispatch, RunEventKind, StartedRun
from domain.runs.repository import reading
from domain.runs.repository.maintenance import delete_runs
from domain.tenancy.providers import GraphScopes
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import DatabaseUnavailableError, TenantSession
from opsrun.postgres.engines import Login
from tests.acts import (
    age,
    claim,
    expire_lease,
    export,
    lose_worker,
    policy,
    relay,
    start_sync,
    sync,
    until,
)
from tests.graph.faults import Slow
from tests.ledger import ledger_faults, only_failure, outcomes, reload, timeline
from tests.workers.outages import Fragile
from tests.workers.providers.graph.tenants import emulated, read_from_graph
from tests.world import LEASE, World
from workers import maintenance as maintenance_module
from workers.maintenance import Maintenance
from workers.providers.graph import provider as graph_provider

ZERO = timedelta(0)
_AGE_DOCUMENTS = (
    "UPDATE opsrun.policy_document SET stored_at = stored_at - interval '9 days'"
    " WHERE tenant_id = :tenant_id"
)
_COUNT_DOCUMENTS = "SELECT count(*) FROM opsrun.policy_document WHERE tenant_id = :tenant_id"


class Sent:
    """Records the messages of one tenant, after refusing the first `refusals` batches."""

    def __init__(self, world: World, refusals: int = 0) -> None:
        self.run_ids: list[UUID] = []
        self._world = world
        self._refusals = refusals

    async def __call__(self, dispatches: Sequence[Dispatch]) -> None:
        if self._refusals:
            self._refusals -= 1
            raise DispatchUnavailableError("Redis is down")
        self.run_ids += [d.run_id for d in dispatches if d.tenant_id == self._world.tenant_id]


@asynccontextmanager
async def running(*processes: Maintenance) -> AsyncIterator[None]:
    """Run maintenance, and check that it ends cleanly when it is cancelled."""
    before = asyncio.all_tasks()
    loops = [asyncio.create_task(each.run()) for each in processes]
    try:
        yield
        assert not [loop for loop in loops if loop.done()]
    finally:
        for loop in loops:
            loop.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait(loops)
    assert all(loop.cancelled() for loop in loops)
    # A wake-up may still be on its way; the step that sent it did not wait for it.
    async with asyncio.timeout(10):
        await asyncio.gather(*asyncio.all_tasks() - before)


@pytest.fixture
def fast_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every loop often, also without a wake-up."""
    for name in ("_RELAY_POLL_SECONDS", "_RESCUE_SECONDS", "_SCOPES_SECONDS"):
        monkeypatch.setattr(maintenance_module, name, 0.02)


def has_sent(sent: Sent, started: StartedRun) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return started.run.id in sent.run_ids

    return check


class TestRunning:
    async def test_relays_at_once_on_a_wake_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(maintenance_module, "_RELAY_POLL_SECONDS", 3600.0)
        sent, earlier = Sent(world), await world.start()
        async with running(world.maintenance(sent)):
            await until(has_sent(sent, earlier))
            for _ in range(3):
                started = await world.start()
                await until(has_sent(sent, started))

    @pytest.mark.usefixtures("fast_loops")
    async def test_relays_without_a_wake_up(self, world: World) -> None:
        sent, started = Sent(world), await world.start()
        await relay(world)
        async with running(world.maintenance(sent)):
            # As if the wake-up had been lost: there is only the outbox entry.
            await world.write(
                "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type)"
                " VALUES (:tenant_id, :run_id, 'inventory.sync')",
                run_id=started.run.id,
            )
            await until(has_sent(sent, started))

    @pytest.mark.usefixtures("fast_loops")
    async def test_survives_an_outage_of_the_broker(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        sent, started = Sent(world, refusals=1), await world.start()
        with caplog.at_level(logging.WARNING, maintenance_module.__name__):
            async with running(world.maintenance(sent)):
                await until(has_sent(sent, started))
        (message,) = {r.getMessage() for r in caplog.records if "waits" in r.getMessage()}
        assert message == "Maintenance waits: Redis is down"

    @pytest.mark.usefixtures("fast_loops")
    async def test_survives_an_outage_of_the_database(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        fragile = Fragile(world.resources[Login.MAINTENANCE].engine)
        fragile.down = True
        sent, started = Sent(world), await world.start()

        async def waits() -> bool:
            return caplog.text.count("Maintenance waits: ") >= 4

        async with running(world.maintenance(sent, transactions=fragile)):
            # All four loops.
            await until(waits)
            fragile.down = False
            await until(has_sent(sent, started))

    @pytest.mark.usefixtures("fast_loops")
    async def test_survives_an_unexpected_error(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        errors = iter([RuntimeError("unexpected")])
        find_scopes = Maintenance.find_scopes

        async def fail_once(self: Maintenance) -> None:
            for error in errors:
                raise error
            await find_scopes(self)

        monkeypatch.setattr(Maintenance, "find_scopes", fail_once)
        export(world, policy("a"))

        async def scope_is_found() -> bool:
            return bool(await world.read(scopes, await world.access()))

        async with running(world.maintenance(Sent(world))):
            await until(scope_is_found)
        (record,) = [r for r in caplog.records if r.getMessage() == "A maintenance step failed"]
        assert record.exc_info is not None
        assert str(record.exc_info[1]) == "unexpected"

    @pytest.mark.usefixtures("fast_loops")
    async def test_two_at_once_do_everything_once(self, world: World) -> None:
        executions = [await world.start_and_claim() for _ in range(5)]
        await relay(world)
        pending = [await world.start() for _ in range(30)]
        for execution in executions:
            await expire_lease(world, execution.run.id)
        sent = [Sent(world), Sent(world)]
        both = [world.maintenance(send) for send in sent]

        async def all_is_done() -> bool:
            runs = await world.read(
                reading.by_ids, await world.access(), [execution.run.id for execution in executions]
            )
            requeued = all(run.status is RunStatus.PENDING for run in runs.values())
            return requeued and sum(len(s.run_ids) for s in sent) >= len(pending)

        async with running(*both):
            await until(all_is_done)
        # Without the requeued runs, which are due some seconds later.
        rescued = {execution.run.id for execution in executions}
        relayed = [key for some in sent for key in some.run_ids if key not in rescued]
        assert sorted(relayed) == sorted(started.run.id for started in pending)
        for execution in executions:
            assert (await timeline(world, execution.run.id)).count(RunEventKind.REQUEUED) == 1
        assert await ledger_faults(world) == []


class TestALostWorker:
    async def test_costs_an_attempt_and_no_notification(self, world: World) -> None:
        export(world, policy("a"))
        started = await start_sync(world)
        lost = await claim(world, started.run.id)
        await relay(world)
        await lose_worker(world, started.run.id)
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING
        assert await outcomes(world) == [NotificationOutcome.QUEUED]
        await world.work(started)
        with pytest.raises(LeaseLostError):
            await lost.finish()
        with pytest.raises(LeaseLostError):
            await lost.fail(FailureReason.INTERNAL_ERROR, "late")
        run = await reload(world, started.run.id)
        assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 2)
        assert await outcomes(world) == [NotificationOutcome.SUCCEEDED, NotificationOutcome.QUEUED]
        assert await timeline(world, started.run.id) == [
            RunEventKind.QUEUED,
            RunEventKind.STARTED,
            RunEventKind.REQUEUED,
            RunEventKind.STARTED,
            RunEventKind.PROGRESSED,
            RunEventKind.PROGRESSED,
            RunEventKind.FINISHED,
        ]

    async def test_fails_the_run_once_after_the_last_attempt(self, world: World) -> None:
        started = await world.start()
        for attempt in range(1, 4):
            execution = await claim(world, started.run.id)
            assert execution.lease.attempt == attempt
            await expire_lease(world, started.run.id)
            # One of three concurrent rescues does it.
            await asyncio.gather(*(world.maintenance(Sent(world)).rescue() for _ in range(3)))
            if attempt < 3:
                assert (await reload(world, started.run.id)).status is RunStatus.PENDING
        run = await reload(world, started.run.id)
        assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
        failure = await only_failure(world, run)
        assert (failure.reason, failure.retryable) == (FailureReason.WORKER_LOST, True)
        assert await outcomes(world) == [NotificationOutcome.FAILED, NotificationOutcome.QUEUED]
        assert await world.claimer.claim(world.tenant_id, started.run.id, LEASE) is None
        assert await ledger_faults(world) == []

    async def test_is_not_a_worker_with_a_valid_lease(self, world: World) -> None:
        execution = await world.start_and_claim()
        await world.maintenance(Sent(world)).rescue()
        await execution.finish()


async def test_a_run_that_no_worker_claims_is_aborted_with_a_notification(world: World) -> None:
    started, younger = await world.start(), await world.start()
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = not_before - interval '25 hours'"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=started.run.id,
    )
    await world.maintenance(Sent(world)).rescue()
    assert (await reload(world, younger.run.id)).status is RunStatus.PENDING
    run = await reload(world, started.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.ABORTED, StatusBucket.FAILED)
    failure = await only_failure(world, run)
    assert failure.reason == FailureReason.QUEUE_TIMEOUT
    assert await outcomes(world) == [
        NotificationOutcome.FAILED,
        NotificationOutcome.QUEUED,
        NotificationOutcome.QUEUED,
    ]


async def test_a_lost_message_is_dispatched_again_once(world: World) -> None:
    started = await world.start()
    assert await relay(world) == [started.run.id]
    for _ in range(3):
        await world.maintenance(Sent(world), redispatch_after=ZERO).rescue()
    assert await relay(world) == [started.run.id]


@pytest.mark.parametrize("age", [timedelta(hours=1), None], ids=["waits", "unknown"])
async def test_a_message_that_still_waits_is_not_lost(world: World, age: timedelta | None) -> None:
    await world.start()
    assert len(await relay(world)) == 1

    async def queue_age() -> timedelta | None:
        return age

    maintenance = world.maintenance(Sent(world), queue_age=queue_age, redispatch_after=ZERO)
    await maintenance.rescue()
    assert await relay(world) == []


class TestFindingScopes:
    async def test_records_the_folders(self, world: World) -> None:
        for name in ("prod", "test", ".hidden"):
            (world.exports / name).mkdir()
        (world.exports / "a-file").touch()
        await world.maintenance().find_scopes()
        await world.write(
            "UPDATE opsrun.inventory_scope SET last_seen_at = last_seen_at - interval '2 minutes'"
            " WHERE tenant_id = :tenant_id"
        )
        (world.exports / "test").rmdir()
        (world.exports / "new").mkdir()
        await world.maintenance().find_scopes()
        listed = await world.read(scopes, await world.access())
        # A missing folder stays known, like its runs and policies.
        assert [scope.key for scope in listed] == ["new", "prod", "test"]
        assert {scope.last_snapshot_run_id for scope in listed} == {None}
        seen = {scope.key: scope.last_seen_at for scope in listed}
        assert seen["prod"] > seen["test"]
        await world.maintenance().find_scopes()
        # A row for each scope every few seconds would cost more than the search.
        again = await world.read(scopes, await world.access())
        assert {scope.key: scope.last_seen_at for scope in again} == seen

    async def test_a_missing_export_folder_does_not_delay_other_tenants(
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
        (message,) = [
            r.getMessage() for r in caplog.records if str(world.tenant_id) in r.getMessage()
        ]
        assert "The export folder cannot be read" in message


class TestFindingScopesOnGraph:
    async def test_scopes_that_are_known_need_no_request(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with emulated(monkeypatch) as double:
            for kind, key in ((GraphScopes.ALL, "all"), (GraphScopes.TYPE, "intents")):
                await read_from_graph(world, double, kind)
                await world.maintenance().find_scope_tags()
                before = await world.read(scopes, await world.access())
                await world.maintenance().find_scopes()
                after = await world.read(scopes, await world.access())
                assert key in {scope.key for scope in after} - {scope.key for scope in before}
            assert len(double.requests) == 0

    async def test_scope_tags_are_found_by_a_step_for_them_alone(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tags = [{"id": "0", "displayName": "Default"}, {"id": "1", "displayName": "Sales"}]
        async with emulated(monkeypatch, {"roleScopeTags": tags}) as double:
            await read_from_graph(world, double, GraphScopes.SCOPE_TAG)
            await world.maintenance().find_scopes()
            assert len(double.requests) == 0
            await world.maintenance().find_scope_tags()
            listed = await world.read(scopes, await world.access())
            assert [scope.key for scope in listed] == ["Default", "Sales"]
            assert len(double.requests) == 1

    async def test_a_graph_that_hangs_delays_no_other_tenant(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = await World.create(world.resources, world.exports)
        (world.exports / "prod").mkdir()
        async with emulated(monkeypatch) as double:
            await read_from_graph(world, double, GraphScopes.SCOPE_TAG)
            double.faults.add("*/roleScopeTags", Slow(60), times=None)
            searching = asyncio.create_task(world.maintenance().find_scope_tags())
            await world.maintenance().find_scopes()
            (scope,) = await other.read(scopes, await other.access())
            assert scope.key == "prod"
            assert searching.cancel()

    async def test_a_graph_that_hangs_is_given_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(graph_provider, "TAGS_SECONDS", 0.1)
        async with emulated(monkeypatch) as double:
            await read_from_graph(world, double, GraphScopes.SCOPE_TAG)
            double.faults.add("*/roleScopeTags", Slow(60), times=None)
            await world.maintenance().find_scope_tags()
        assert "Graph did not list the scope tags within 0.1 seconds" in caplog.text


class TestPurging:
    async def test_keeps_recent_and_active_runs_snapshot_and_baseline(self, world: World) -> None:
        old = [await sync(world, policy("a", minutes=minutes)) for minutes in range(3)]
        running_run = await world.start_and_claim()
        young = await sync(world, scope_key="nowhere")
        for run in old:
            await age(world, run.id, days=91)
        await age(world, young.id, days=89)
        await world.maintenance().purge()
        access = await world.access()
        everything = [*old, young, running_run.run]
        left = await world.read(reading.by_ids, access, [run.id for run in everything])
        assert set(left) == {old[1].id, old[2].id, young.id, running_run.run.id}

    async def test_follows_the_tenants_setting(self, world: World) -> None:
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

    async def test_reaches_every_tenant_page_by_page(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inventory_maintenance_module, "TENANTS", 1)
        tenants = [world, await World.create(world.resources, world.exports)]
        runs = [await sync(tenant, scope_key="nowhere") for tenant in tenants]
        for tenant, run in zip(tenants, runs, strict=True):
            await age(tenant, run.id, days=91)
        await world.maintenance().purge()
        for tenant, run in zip(tenants, runs, strict=True):
            assert await tenant.read(reading.by_ids, await tenant.access(), [run.id]) == {}

    async def test_a_tenant_that_fails_delays_no_other(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = await World.create(world.resources, world.exports)
        tenants = sorted([world, other], key=lambda tenant: tenant.tenant_id)
        runs = [await sync(tenant, scope_key="nowhere") for tenant in tenants]
        for tenant, run in zip(tenants, runs, strict=True):
            await age(tenant, run.id, days=91)

        async def fail_in_first(session: TenantSession, run_ids: Sequence[UUID]) -> int:
            if session.tenant_id == tenants[0].tenant_id:
                raise DatabaseUnavailableError("canceling statement due to statement timeout")
            return await delete_runs(session, run_ids)

        monkeypatch.setattr(inventory_maintenance_module, "delete_runs", fail_in_first)
        with pytest.raises(DatabaseUnavailableError):
            await world.maintenance().purge()
        left = [
            await tenant.read(reading.by_ids, await tenant.access(), [run.id])
            for tenant, run in zip(tenants, runs, strict=True)
        ]
        assert [len(each) for each in left] == [1, 0]

    async def test_deletes_the_documents_that_only_purged_runs_used(self, world: World) -> None:
        old = [await sync(world, policy("a", minutes=minutes)) for minutes in range(3)]
        for run in old:
            await age(world, run.id, days=91)
        await world.write(_AGE_DOCUMENTS)
        await world.maintenance().purge()
        assert await world.rows(_COUNT_DOCUMENTS) == [(2,)]

    async def test_unused_documents_of_other_tenants_are_collected_less_often(
        self, world: World
    ) -> None:
        await world.write(
            "INSERT INTO opsrun.policy_document (tenant_id, hash, body)"
            " VALUES (:tenant_id, sha256('left'), '{}')"
        )
        await world.write(_AGE_DOCUMENTS)
        await world.maintenance().purge()
        assert await world.rows(_COUNT_DOCUMENTS) == [(1,)]
        await world.maintenance().collect_documents()
        assert await world.rows(_COUNT_DOCUMENTS) == [(0,)]
