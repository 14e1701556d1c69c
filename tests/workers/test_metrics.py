"""The metrics of workers and maintenance, and the ids in their logs."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from domain.runs.dispatching import DispatchUnavailableError
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import Dispatch
from domain.runs.repository import backlog
from opsrun.postgres.engines import Login
from tests.acts import claim, relay, until
from tests.logs import collect_logs
from tests.workers.scripted import Scripted, execute, runner_of
from tests.world import World
from workers import metrics as metrics_module
from workers.maintenance import Maintenance
from workers.metrics import MaintenanceMetrics, RunMetrics
from workers.steps import StalledError, Steps

SYNC = "inventory.sync"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def one_of_two(execution: RunExecution) -> None:
    await execution.set_total(2)
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("b", ProducerError(FailureReason.INVALID_JSON, "No JSON."))


async def fail(_: RunExecution) -> None:
    raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "No such scope.")


async def crash(_: RunExecution) -> None:
    raise RuntimeError


async def refuse(_: Sequence[Dispatch]) -> None:
    raise DispatchUnavailableError("refused")


def maintenance(world: World, registry: CollectorRegistry) -> Maintenance:
    return world.maintenance(refuse, metrics=MaintenanceMetrics(registry))


async def add_run(world: World, action: str, **columns: str) -> None:
    """Insert a run of a type that no other test counts."""
    names, values = "".join(f", {n}" for n in columns), "".join(f", {v}" for v in columns.values())
    await world.write(
        "INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key,"
        f" initiator_id, initiator_name, context, subject{names}) VALUES (:tenant_id,"
        " gen_random_uuid(), 'counted', :action, uuid_send(gen_random_uuid()),"
        f" gen_random_uuid(), 'Somebody', '{{}}', 'prod'{values})",
        action=action,
    )


class TestRuns:
    async def test_are_counted_as_they_end(self, world: World, registry: CollectorRegistry) -> None:
        metrics = RunMetrics(registry)
        counts = {"PARTIALLY_SUCCEEDED": 1, "FAILED": 2, "SUCCEEDED": 0}

        def counted(name: str) -> dict[str, float | None]:
            return {
                bucket: registry.get_sample_value(name, {"run_type": SYNC, "bucket": bucket})
                for bucket in counts
            }

        names = ("opsrun_runs_ended_total", "opsrun_run_seconds_count")
        for name in names:
            assert counted(name) == dict.fromkeys(counts, 0), (
                "a rate misses the first event of a new series"
            )
        for work in (one_of_two, fail, crash):
            await execute(runner_of(world, Scripted(work), metrics=metrics), await world.start())
        for name in names:
            assert counted(name) == counts

    async def test_are_counted_once_if_their_message_comes_twice(
        self, world: World, registry: CollectorRegistry
    ) -> None:
        runner = runner_of(world, Scripted(fail), metrics=RunMetrics(registry))
        started = await world.start()
        await execute(runner, started)
        await execute(runner, started)
        labels = {"run_type": SYNC, "bucket": "FAILED"}
        assert registry.get_sample_value("opsrun_runs_ended_total", labels) == 1

    async def test_are_named_in_every_log_line_about_them(self, world: World) -> None:
        started = await world.start()
        with collect_logs("workers") as log:
            await execute(runner_of(world, Scripted(crash)), started)
        assert len(log.lines) == 3
        for _, ids in log.lines:
            assert ids == {"tenant_id": str(world.tenant_id), "run_id": str(started.run.id)}


class TestMaintenance:
    async def test_counts_rescued_and_aborted_runs(
        self, world: World, registry: CollectorRegistry
    ) -> None:
        lost, forgotten = uuid4().hex, uuid4().hex
        await add_run(
            world,
            lost,
            status="'running'",
            attempt="3",
            started_at="now() - interval '2 hours'",
            lease_token="gen_random_uuid()",
            lease_expires_at="now() - interval '1 hour'",
        )
        await add_run(world, forgotten, not_before="now() - interval '2 days'")
        await maintenance(world, registry).rescue()
        assert (registry.get_sample_value("opsrun_lease_expiries_total") or 0) >= 1
        for action in (lost, forgotten):
            labels = {"run_type": f"counted.{action}", "bucket": "FAILED"}
            assert registry.get_sample_value("opsrun_runs_ended_total", labels) == 1
        # A run that never started has no running time.
        assert registry.get_sample_value("opsrun_run_seconds_count", labels) is None

    async def test_shows_the_queues_of_all_tenants(
        self, world: World, registry: CollectorRegistry
    ) -> None:
        action, process = uuid4().hex, maintenance(world, registry)

        def active(bucket: str) -> float | None:
            labels = {"run_type": f"counted.{action}", "bucket": bucket}
            return registry.get_sample_value("opsrun_active_runs", labels)

        for _ in range(3):
            await add_run(world, action, not_before="now() - interval '1 hour'")
        await world.start()
        await process.measure()
        assert (active("QUEUED"), active("RUNNING")) == (3, None)
        assert (registry.get_sample_value("opsrun_oldest_queued_run_seconds") or 0) >= 3600
        assert (registry.get_sample_value("opsrun_outbox_entries") or 0) >= 1
        await world.write("DELETE FROM opsrun.operation_run WHERE action = :action", action=action)
        await process.measure()
        assert active("QUEUED") is None

    async def test_hides_the_queues_if_they_were_not_read_recently(
        self, world: World, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = ("opsrun_outbox_entries", "opsrun_oldest_queued_run_seconds")
        process = maintenance(world, registry)
        assert [registry.get_sample_value(name) for name in names] == [None, None]
        await world.start()
        await process.measure()
        assert None not in [registry.get_sample_value(name) for name in names]
        monkeypatch.setattr(metrics_module, "FRESH_SECONDS", 0.0)
        assert [registry.get_sample_value(name) for name in names] == [None, None]
        assert b"opsrun_active_runs{" not in generate_latest(registry)

    async def test_counts_up_to_a_bound(
        self, world: World, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backlog, "MOST", 2)
        for _ in range(3):
            await world.start()
        await maintenance(world, registry).measure()
        assert registry.get_sample_value("opsrun_outbox_entries") == 2


async def test_maintenance_is_idle_only_without_entries_and_active_runs(world: World) -> None:
    resources = world.resources[Login.MAINTENANCE]
    runs = RunMaintenance(resources.transactions, resources.wakeups)

    async def has_work() -> bool:
        backlog = await runs.backlog()
        return bool(backlog.outbox_entries or backlog.active)

    started = await world.start()
    assert not await runs.is_idle(), "a run waits in the outbox"
    await relay(world)
    assert not await runs.is_idle(), "a run is queued"
    execution = await claim(world, started.run.id)
    assert not await runs.is_idle(), "a run is running"
    await execution.finish()
    # Runs of other tests may be active.
    assert await runs.is_idle() is not await has_work()


class TestSteps:
    async def test_count_successes_and_failures(self, registry: CollectorRegistry) -> None:
        steps, done, fails = Steps(MaintenanceMetrics(registry)), asyncio.Event(), [True]
        failures = "opsrun_maintenance_step_failures_total"
        name = "opsrun_maintenance_step_success_timestamp_seconds"
        labels, seen = {"step": "relay"}, list[list[float | None]]()

        async def relay() -> None:
            seen.append([registry.get_sample_value(one, labels) for one in (failures, name)])
            if fails and fails.pop():
                raise DispatchUnavailableError("no")
            done.set()

        with pytest.raises(StalledError):
            steps.require("relay")
        repeating = asyncio.create_task(steps.repeat(relay, 0))
        try:
            async with asyncio.timeout(10):
                await done.wait()
        finally:
            repeating.cancel()
            await asyncio.wait([repeating])
        assert seen[0] == [0, 0], "an alert misses the first event of a new series"
        assert registry.get_sample_value(failures, labels) == 1
        assert (registry.get_sample_value(name, labels) or 0) > 1e9
        steps.require("relay")

    async def test_wait_for_their_whole_interval(
        self, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stopped(Exception):  # noqa: N818 - not an error
            pass

        async def purge() -> None:
            pass

        async def pause(seconds: float) -> None:
            raise Stopped(seconds)

        # Only in this module: servers of other tests sleep too.
        monkeypatch.setattr("workers.steps.asyncio", SimpleNamespace(sleep=pause))
        with pytest.raises(Stopped, match="60"):
            await Steps(MaintenanceMetrics(registry)).repeat(purge, 60.0)

    async def test_that_keep_failing_raise_their_error(
        self, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workers.steps.STALL_SECONDS", 0)
        steps = Steps(MaintenanceMetrics(registry))

        async def relay() -> None:
            raise DispatchUnavailableError("no")

        async def has_failed() -> bool:
            labels = {"step": "relay"}
            return bool(registry.get_sample_value("opsrun_maintenance_step_failures_total", labels))

        repeating = asyncio.create_task(steps.repeat(relay, 0))
        try:
            await until(has_failed)
        finally:
            repeating.cancel()
            await asyncio.wait([repeating])
        with pytest.raises(DispatchUnavailableError):
            steps.require("relay")
