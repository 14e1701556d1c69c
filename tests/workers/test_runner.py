"""A worker extends its lease, stops when it is lost, and records failures without secrets."""

import asyncio
import gc
import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import timedelta
from typing import Literal
from uuid import uuid4

import pytest

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import LeaseLostError, RunExecution
from domain.runs.failures import FailureReason, ProducerError, RunFailure
from domain.runs.models import RunCounts, StartedRun
from domain.tenancy.session import DatabaseUnavailableError
from opsrun.telemetry.logging import configure_logging
from tests.acts import lose_worker, relay, rescue, until
from tests.ledger import failures, ledger_faults, reload, tables_with
from tests.workers.scripted import (
    SHORT,
    Blocked,
    Scripted,
    execute,
    executing,
    lease_end,
    runner_of,
)
from tests.world import World

CONNECTION = "postgresql://opsrun:hunter2-of-the-database@db.internal:5432/opsrun"
BEARER = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcHMifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
E_MAIL = "jane.doe@customer.example"
SECRETS = ("hunter2-of-the-database", BEARER, E_MAIL)
LEAK = f"cannot reach {CONNECTION} with Authorization: Bearer {BEARER} for {E_MAIL}"


async def whole_failure(world: World, started: StartedRun) -> RunFailure:
    run = await reload(world, started.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    return (await failures(world, run))[None]


@contextmanager
def collected_logs(log_format: Literal["text", "json"]) -> Iterator[io.StringIO]:
    """Collect the logs that Opsrun writes to stderr."""
    root, output = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    audit_level = logging.getLogger("audit").level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    # Existing handlers, such as pytest's, would be closed.
    root.handlers.clear()
    with redirect_stderr(output):
        configure_logging("DEBUG", log_format)
    try:
        yield output
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("audit").setLevel(audit_level)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(capture=False)


class TestALease:
    async def test_is_extended_beyond_its_first_end(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        async with executing(runner_of(world, producer, lease=SHORT), started, producer):
            first = await lease_end(world, started)

            async def has_outlived_its_first_lease() -> bool:
                return await lease_end(world, started) > first + SHORT

            await until(has_outlived_its_first_lease)
            await rescue(world)
            assert (await reload(world, started.run.id)).status is RunStatus.RUNNING
            producer.go_on.set()
        run = await reload(world, started.run.id)
        assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 1)
        assert producer.runs == 1
        assert await ledger_faults(world) == []

    async def test_that_is_lost_cancels_the_work_and_changes_nothing(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        async with executing(runner_of(world, producer, lease=SHORT), started, producer):
            await world.write(
                "UPDATE opsrun.operation_run SET attempt = 2, lease_token = gen_random_uuid()"
                " WHERE tenant_id = :tenant_id AND id = :run_id",
                run_id=started.run.id,
            )
            await producer.cancelled.wait()
        run = await reload(world, started.run.id)
        assert (run.status, run.attempt) == (RunStatus.RUNNING, 2)
        assert await failures(world, run) == {}

    async def test_that_was_lost_unnoticed_prevents_the_end(self, world: World) -> None:
        started = await world.start()

        async def overslept(execution: RunExecution) -> None:
            await lose_worker(world, execution.run.id)

        await execute(runner_of(world, Scripted(overslept)), started)
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING

        async def overslept_and_failed(execution: RunExecution) -> None:
            await lose_worker(world, execution.run.id)
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "late")

        await execute(runner_of(world, Scripted(overslept_and_failed)), started)
        run = await reload(world, started.run.id)
        assert (run.status, run.attempt) == (RunStatus.PENDING, 2)
        assert await failures(world, run) == {}
        assert await ledger_faults(world) == []


class TestAFailure:
    async def test_of_the_producer_is_recorded(self, world: World) -> None:
        async def work(_: RunExecution) -> None:
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "Unknown scope.")

        started = await world.start()
        await execute(runner_of(world, Scripted(work)), started)
        failure = await whole_failure(world, started)
        assert (failure.reason, failure.message) == (
            FailureReason.SCOPE_NOT_FOUND,
            "Unknown scope.",
        )
        assert (failure.retryable, failure.error_id, failure.attempt) == (False, None, 1)

    async def test_keeps_the_items_before_it(self, world: World) -> None:
        async def work(execution: RunExecution) -> None:
            await execution.set_total(3)
            async with execution.batch() as batch:
                batch.succeeded("a")
                batch.failed("b", ProducerError(FailureReason.INVALID_JSON, "No."))
            async with execution.batch() as batch:
                batch.succeeded("c")
                raise ProducerError(FailureReason.PROVIDER_UNAVAILABLE, "It went away.")

        started = await world.start()
        await execute(runner_of(world, Scripted(work)), started)
        run = await reload(world, started.run.id)
        assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
        assert run.counts == RunCounts(total=3, succeeded=1, failed=1, skipped=0)
        assert set(await failures(world, run)) == {None, "b"}
        assert await ledger_faults(world) == []

    @pytest.mark.parametrize("log_format", ["text", "json"])
    async def test_that_is_unexpected_leaks_no_secret(
        self, world: World, log_format: Literal["text", "json"]
    ) -> None:
        async def work(execution: RunExecution) -> None:
            async with execution.batch() as batch:
                batch.failed("a.json", ProducerError(FailureReason.UNREADABLE_FILE, LEAK))
            try:
                raise OSError(LEAK)
            except OSError as error:
                raise RuntimeError(f"gave up: {LEAK}") from error

        started = await world.start()
        with collected_logs(log_format) as output:
            await execute(runner_of(world, Scripted(work)), started)
        failure = await whole_failure(world, started)
        assert (failure.reason, failure.retryable) == (FailureReason.INTERNAL_ERROR, True)
        assert "RuntimeError" in failure.message
        assert failure.error_id is not None
        for secret in SECRETS:
            assert await tables_with(world, secret) == set()
        logs = output.getvalue()
        assert failure.error_id in logs
        assert "gave up: cannot reach" in logs
        assert "Traceback" in logs
        assert not [secret for secret in SECRETS if secret in logs]

    async def test_that_is_unexpected_hides_the_text_of_a_policy(self, world: World) -> None:
        async def work(_: RunExecution) -> None:
            raise ValueError("invalid input for query argument $4: 'our kiosk code is 4711'")

        started = await world.start()
        await execute(runner_of(world, Scripted(work)), started)
        assert "4711" not in (await whole_failure(world, started)).message
        assert await tables_with(world, "our kiosk code") == set()

    async def test_ends_a_run_that_takes_too_long(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        await execute(runner_of(world, producer, run_timeout=timedelta(seconds=0.3)), started)
        failure = await whole_failure(world, started)
        assert (failure.reason, failure.retryable) == (FailureReason.TIMEOUT, True)
        assert producer.cancelled.is_set()
        assert (await reload(world, started.run.id)).counts.succeeded == 1


class TestAnEndThatCannotBeWritten:
    """The log has the error and its id, and the run is tried again after its lease."""

    @pytest.mark.parametrize("method", ["fail", "release"])
    async def test_is_logged(
        self,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        method: str,
    ) -> None:
        async def work(_: RunExecution) -> None:
            if method == "release":
                raise DatabaseUnavailableError("gone")
            raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "Unknown scope.")

        async def refuse(*_: object, **__: object) -> None:
            raise RuntimeError("cannot encode it")

        started = await world.start()
        with monkeypatch.context() as patch:
            patch.setattr(RunExecution, method, refuse)
            await execute(runner_of(world, Scripted(work)), started)
        # Make asyncio log an error that was never retrieved.
        gc.collect()
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(vars(record)["error_id"]) == 32
        assert (await reload(world, started.run.id)).status is RunStatus.RUNNING
        await lose_worker(world, started.run.id)
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING


class TestHandingBack:
    async def test_gives_the_run_to_the_next_worker_without_costing_an_attempt(
        self, world: World
    ) -> None:
        producer, started = Blocked(), await world.start()
        runner = runner_of(world, producer)
        # Once more than attempts are allowed: none of these costs one.
        for _ in range(4):
            producer.is_running.clear()
            async with executing(runner, started, producer):
                await runner.hand_back()
            run = await reload(world, started.run.id)
            assert run.status is RunStatus.PENDING
            assert run.counts.succeeded == 1
            assert await failures(world, run) == {}
        producer.go_on.set()
        await execute(runner_of(world, producer), started)
        run = await reload(world, started.run.id)
        assert run.status_bucket is StatusBucket.SUCCEEDED
        assert run.counts == RunCounts(total=1, succeeded=1, failed=0, skipped=0)
        assert await ledger_faults(world) == []

    async def test_adds_an_outbox_entry(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        await relay(world)
        runner = runner_of(world, producer)
        async with executing(runner, started, producer):
            assert await relay(world) == []
            await runner.hand_back()
        assert await relay(world) == [started.run.id]

    async def test_stops_every_run_of_the_process(self, world: World) -> None:
        producers = [Blocked() for _ in range(3)]
        runs = [await world.start() for _ in producers]

        async def block(execution: RunExecution) -> None:
            mine = producers[[started.run.id for started in runs].index(execution.run.id)]
            await mine.run(execution)

        runner = runner_of(world, Scripted(block))
        tasks = [asyncio.create_task(execute(runner, started)) for started in runs]
        async with asyncio.timeout(10):
            for producer in producers:
                await producer.is_running.wait()
            await runner.hand_back()
            await asyncio.gather(*tasks)
        assert {(await reload(world, started.run.id)).status for started in runs} == {
            RunStatus.PENDING
        }

    async def test_does_nothing_in_an_idle_process(self, world: World) -> None:
        await runner_of(world, Blocked()).hand_back()

    async def test_is_independent_of_a_cancelled_message(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        runner = runner_of(world, producer)
        task = asyncio.create_task(
            runner.execute(started.run.run_type, world.tenant_id, started.run.id)
        )
        async with asyncio.timeout(10):
            await producer.is_running.wait()
            task.cancel()
            await asyncio.wait([task])
            assert not producer.cancelled.is_set()
            await runner.hand_back()
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING


class TestAMessage:
    async def test_that_comes_twice_does_nothing(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        runner = runner_of(world, producer)
        async with executing(runner, started, producer):
            await execute(runner, started)
            await execute(world.runner, started)
            producer.go_on.set()
        await execute(runner, started)
        assert producer.runs == 1
        run = await reload(world, started.run.id)
        assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 1)

    async def test_is_executed_by_one_of_many_workers(self, world: World) -> None:
        producer, started = Blocked(), await world.start()
        producer.go_on.set()
        await asyncio.gather(*(execute(runner_of(world, producer), started) for _ in range(8)))
        assert producer.runs == 1
        assert await ledger_faults(world) == []

    async def test_about_an_unknown_run_does_nothing(self, world: World) -> None:
        producer, other = Blocked(), await World.create(world.resources, world.exports)
        started = await world.start()
        runner = runner_of(world, producer)
        for tenant_id, run_id in (
            (world.tenant_id, uuid4()),
            (uuid4(), started.run.id),
            (other.tenant_id, started.run.id),
        ):
            await runner.execute("inventory.sync", tenant_id, run_id)
        assert producer.runs == 0
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING

    async def test_whose_run_cannot_be_claimed_is_logged(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def refuse(*_: object) -> None:
            raise RuntimeError("cannot read it")

        started = await world.start()
        with monkeypatch.context() as patch:
            patch.setattr(world.claimer, "claim", refuse)
            await execute(runner_of(world, Blocked()), started)
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(vars(record)["error_id"]) == 32
        assert (await reload(world, started.run.id)).status is RunStatus.PENDING

    async def test_of_an_unknown_type_leaves_the_run_to_others(self, world: World) -> None:
        started = await world.start()
        producer = Blocked()
        await runner_of(world, producer).execute("report.render", world.tenant_id, started.run.id)
        run = await reload(world, started.run.id)
        assert (run.status, run.attempt, producer.runs) == (RunStatus.PENDING, 0, 0)


async def test_a_producer_may_raise_a_lost_lease(world: World) -> None:
    async def work(_: RunExecution) -> None:
        raise LeaseLostError

    started = await world.start()
    await execute(runner_of(world, Scripted(work)), started)
    run = await reload(world, started.run.id)
    assert run.status is RunStatus.RUNNING
    assert await failures(world, run) == {}
