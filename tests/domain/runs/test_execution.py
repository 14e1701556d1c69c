"""A worker's writes count once, and not at all after it has lost the run."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from asyncpg import IntegrityConstraintViolationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from domain.inventory.repository.scopes import save_scopes, scopes
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import MESSAGE_LENGTH, Batch, LeaseLostError, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import ItemOutcome, RunCounts, RunEventKind
from domain.tenancy import transactions
from tests.acts import claim, expire_lease, relay, rescue, take_over
from tests.ledger import count_rows, ledger_faults, only_failure, reload, tables_with, timeline
from tests.runs import changed
from tests.world import LEASE, World

BROKEN = ProducerError(FailureReason.INVALID_JSON, "Not valid JSON.")


def record_item(batch: Batch, key: str, outcome: ItemOutcome) -> None:
    """Record one item as a producer does."""
    match outcome:
        case ItemOutcome.SUCCEEDED:
            batch.succeeded(key)
        case ItemOutcome.SKIPPED:
            batch.skipped(key, f"{key} is there already.")
        case ItemOutcome.FAILED:
            batch.failed(key, BROKEN)


async def record(execution: RunExecution, items: dict[str, ItemOutcome]) -> None:
    """Record items in one batch."""
    async with execution.batch() as batch:
        for key, outcome in items.items():
            record_item(batch, key, outcome)


async def test_a_claimed_run_is_running(world: World) -> None:
    execution = await world.start_and_claim()
    assert execution.run.status_bucket is StatusBucket.RUNNING
    assert execution.run.attempt == 1
    assert execution.run.started_at is not None
    seen = await reload(world, execution.run.id)
    assert execution.run == changed(seen, observed_at=execution.run.observed_at)
    assert await timeline(world, execution.run.id) == [RunEventKind.QUEUED, RunEventKind.STARTED]
    assert not await ledger_faults(world)


async def test_concurrent_claims_give_the_run_to_one_worker(world: World) -> None:
    started = await world.start()
    claims = await asyncio.gather(
        *(world.claimer.claim(world.tenant_id, started.run.id, LEASE) for _ in range(8))
    )
    assert sum(claim is not None for claim in claims) == 1
    assert await world.claimer.claim(world.tenant_id, started.run.id, LEASE) is None
    assert not await ledger_faults(world)


async def test_a_claim_before_the_delay_or_after_the_end_gets_nothing(world: World) -> None:
    execution = await world.start_and_claim()
    await execution.release(timedelta(minutes=1))
    assert await world.claimer.claim(world.tenant_id, execution.run.id, LEASE) is None
    again = await claim(world, execution.run.id)
    await again.finish()
    assert await world.claimer.claim(world.tenant_id, execution.run.id, LEASE) is None


WRITES: dict[str, Callable[[RunExecution], Awaitable[object]]] = {
    "set_total": lambda execution: execution.set_total(3),
    "heartbeat": lambda execution: execution.heartbeat(LEASE),
    "record": lambda execution: record(execution, {"a": ItemOutcome.FAILED}),
    "finish": lambda execution: execution.finish(),
    "fail": lambda execution: execution.fail(FailureReason.TIMEOUT, "Too slow."),
    "release": lambda execution: execution.release(timedelta(0)),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("stage", ["pending again", "claimed by another", "ended by another"])
async def test_after_a_rescue_the_old_worker_writes_nothing(
    world: World, write: Callable[[RunExecution], Awaitable[None]], stage: str
) -> None:
    lost = await world.start_and_claim()
    if stage == "pending again":
        await expire_lease(world, lost.run.id)
        await rescue(world)
    else:
        another = await take_over(world, lost)
        if stage == "ended by another":
            await another.finish()
    rows, run = await count_rows(world), await whole_run(world, lost)
    with pytest.raises(LeaseLostError):
        await write(lost)
    assert await count_rows(world) == rows
    assert await whole_run(world, lost) == run
    assert not await ledger_faults(world)


async def whole_run(world: World, execution: RunExecution) -> object:
    """Return every column of the run."""
    return await world.rows(
        "SELECT * FROM opsrun.operation_run WHERE id = :id", id=execution.run.id
    )


async def test_the_old_worker_does_not_disturb_the_new_one(world: World) -> None:
    lost = await world.start_and_claim()
    another = await take_over(world, lost)
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(lost)
    await another.heartbeat(LEASE)
    await record(another, {"a": ItemOutcome.SUCCEEDED})
    await another.finish()
    run = await reload(world, lost.run.id)
    assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 2)
    assert not await ledger_faults(world)


async def test_the_same_attempt_with_another_token_is_refused(world: World) -> None:
    released = await world.start_and_claim()
    await released.release(timedelta(0))
    # After a restored backup, two attempts can have the same number.
    await world.write("UPDATE opsrun.operation_run SET attempt = 0 WHERE tenant_id = :tenant_id")
    again = await claim(world, released.run.id)
    assert again.lease.attempt == released.lease.attempt
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(released)
    await again.finish()


async def test_a_batch_is_atomic(world: World) -> None:
    lost = await world.start_and_claim()
    rows = await count_rows(world)
    with pytest.raises(ZeroDivisionError):
        async with lost.batch() as batch:
            await save_scopes(batch.session, {world.tenant_id: ["prod"]})
            batch.succeeded("a")
            raise ZeroDivisionError
    assert await count_rows(world) == rows

    another = await take_over(world, lost)
    rows = await count_rows(world)
    with pytest.raises(LeaseLostError):
        async with lost.batch() as batch:
            await save_scopes(batch.session, {world.tenant_id: ["prod"]})
            batch.succeeded("a")
    assert await count_rows(world) == rows

    async with another.batch() as batch:
        await save_scopes(batch.session, {world.tenant_id: ["prod"]})
        batch.succeeded("a")
    assert [scope.key for scope in await world.read(scopes, await world.access())] == ["prod"]
    assert (await reload(world, lost.run.id)).counts == RunCounts(None, 1, 0, 0)


async def test_a_run_is_not_rescued_in_the_middle_of_a_batch(world: World) -> None:
    execution = await world.start_and_claim()
    await expire_lease(world, execution.run.id)
    async with execution.batch() as batch:
        batch.succeeded("a")
        await rescue(world)
    await execution.heartbeat(LEASE)
    await rescue(world)
    await execution.finish()
    assert (await reload(world, execution.run.id)).status_bucket is StatusBucket.SUCCEEDED


async def test_an_item_counts_once_across_attempts(world: World) -> None:
    first = await world.start_and_claim()
    await first.set_total(4)
    await record(first, {"a": ItemOutcome.SUCCEEDED, "b": ItemOutcome.FAILED})
    second = await take_over(world, first)
    assert await second.finished_items() == {"a", "b"}
    await record(
        second,
        {"b": ItemOutcome.SUCCEEDED, "c": ItemOutcome.SKIPPED, "d": ItemOutcome.SUCCEEDED},
    )
    await second.finish()
    run = await reload(world, first.run.id)
    assert run.counts == RunCounts(total=4, succeeded=2, failed=1, skipped=1)
    assert not await ledger_faults(world)


async def test_an_item_recorded_twice_in_a_batch_counts_once(world: World) -> None:
    execution = await world.start_and_claim()
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("a", BROKEN)
        batch.failed("b", BROKEN)
        batch.failed("b", BROKEN)
    assert (await reload(world, execution.run.id)).counts == RunCounts(None, 1, 1, 0)
    assert not await ledger_faults(world)


_BATCHES = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(ItemOutcome)), max_size=5),
    ),
    max_size=6,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(work=_BATCHES)
async def test_counts_match_the_items_and_never_decrease(
    world: World, work: list[tuple[bool, list[tuple[str, ItemOutcome]]]]
) -> None:
    execution = await world.start_and_claim()
    for worker_dies, items in work:
        if worker_dies and execution.run.attempt < 3:
            execution = await take_over(world, execution)
        async with execution.batch() as batch:
            for key, outcome in items:
                record_item(batch, key, outcome)
    await execution.finish()
    assert not await ledger_faults(world)
    assert (await reload(world, execution.run.id)).counts.processed == len(
        {key for _, items in work for key, _ in items}
    )


async def test_a_batch_without_a_change_makes_no_event(world: World) -> None:
    execution = await world.start_and_claim()
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    before = await timeline(world, execution.run.id)
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    await record(execution, {})
    assert await timeline(world, execution.run.id) == before


async def test_more_items_than_the_total_are_refused(world: World) -> None:
    execution = await world.start_and_claim()
    await execution.set_total(1)
    with pytest.raises(IntegrityConstraintViolationError, match="ck_operation_run_counts"):
        await record(execution, {"a": ItemOutcome.SUCCEEDED, "b": ItemOutcome.SUCCEEDED})
    assert (await reload(world, execution.run.id)).counts == RunCounts(1, 0, 0, 0)
    assert not await ledger_faults(world)


@pytest.mark.parametrize(
    ("outcomes", "status", "bucket"),
    [
        ([], RunStatus.COMPLETED, StatusBucket.SUCCEEDED),
        (["succeeded", "skipped"], RunStatus.COMPLETED, StatusBucket.SUCCEEDED),
        (["skipped"], RunStatus.COMPLETED, StatusBucket.SUCCEEDED),
        (
            ["succeeded", "failed"],
            RunStatus.COMPLETED_WITH_ERRORS,
            StatusBucket.PARTIALLY_SUCCEEDED,
        ),
        (["failed", "skipped"], RunStatus.COMPLETED_WITH_ERRORS, StatusBucket.FAILED),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
async def test_the_status_of_an_ended_run_follows_from_its_counts(
    world: World, outcomes: list[str], status: RunStatus, bucket: StatusBucket
) -> None:
    execution = await world.start_and_claim()
    await record(execution, {outcome: ItemOutcome(outcome) for outcome in outcomes})
    await execution.finish()
    run = await reload(world, execution.run.id)
    assert (run.status, run.status_bucket) == (status, bucket)
    assert run.finished_at is not None
    assert not await ledger_faults(world)


async def test_a_failed_run_keeps_its_items_and_its_reason(world: World) -> None:
    execution = await world.start_and_claim()
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    await execution.fail(FailureReason.SCOPE_NOT_FOUND, "No such scope.", error_id="e-1")
    run = await reload(world, execution.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    assert run.counts == RunCounts(None, 1, 0, 0)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason, failure.message, failure.error_id) == (
        None,
        FailureReason.SCOPE_NOT_FOUND,
        "No such scope.",
        "e-1",
    )
    assert not await ledger_faults(world)


async def test_an_end_is_final(world: World) -> None:
    execution = await world.start_and_claim()
    await execution.finish()
    before = await reload(world, execution.run.id)
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(execution)
    again = await reload(world, execution.run.id)
    assert again == changed(before, observed_at=again.observed_at)
    assert not await ledger_faults(world)


async def test_no_secret_of_a_message_is_stored(world: World) -> None:
    secrets = {
        "connection string": "Sup3rS3cretPassw0rdX",
        "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJlLW9mLXRlc3Rz",
        "e-mail": "jane.roe@customer.example",
    }
    message = (
        f"could not connect to postgresql://admin:{secrets['connection string']}@db:5432/prod,"
        f" header Authorization: Bearer {secrets['token']}, sent by {secrets['e-mail']}"
    )
    execution = await world.start_and_claim()
    async with execution.batch() as batch:
        batch.failed("a", ProducerError(FailureReason.PROVIDER_UNAVAILABLE, message))
    await execution.fail(FailureReason.INTERNAL_ERROR, message, error_id="e-1")

    for secret in secrets.values():
        assert not await tables_with(world, secret)
    kept = await world.rows("SELECT message FROM opsrun.run_failure WHERE tenant_id = :tenant_id")
    assert len(kept) == 2
    assert all(row.message.startswith("could not connect to") for row in kept)
    assert await tables_with(world, "could not connect to") == {"run_failure"}


async def test_a_long_message_is_cut(world: World) -> None:
    execution = await world.start_and_claim()
    await execution.fail(FailureReason.INTERNAL_ERROR, "too long " * 1000)
    ((message,),) = await world.rows(
        "SELECT message FROM opsrun.run_failure WHERE tenant_id = :tenant_id"
    )
    assert len(message) <= MESSAGE_LENGTH


async def test_a_released_run_is_delayed_and_loses_no_attempt(world: World) -> None:
    await relay(world)
    execution = await world.start_and_claim()
    await relay(world)
    for _ in range(5):
        await execution.release(timedelta(minutes=1))
        assert (await reload(world, execution.run.id)).status_bucket is StatusBucket.QUEUED
        (entry,) = await world.rows(
            "SELECT o.not_before - max(e.occurred_at) AS delay FROM opsrun.outbox o"
            " JOIN opsrun.run_event e USING (tenant_id, run_id)"
            " WHERE o.tenant_id = :tenant_id GROUP BY o.id"
        )
        assert timedelta(seconds=59) < entry.delay <= timedelta(minutes=1)
        await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
        execution = await claim(world, execution.run.id)
    assert (await timeline(world, execution.run.id)).count(RunEventKind.REQUEUED) == 5
    await expire_lease(world, execution.run.id)
    await rescue(world)
    # Only a lost worker costs an attempt, and this was the first.
    assert (await reload(world, execution.run.id)).status_bucket is StatusBucket.QUEUED
    assert not await ledger_faults(world)


async def test_a_producer_reads_only_its_tenant(world: World) -> None:
    execution = await world.start_and_claim()
    async with execution.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opsrun.operation_run")) == 1
    assert execution.context == execution.run.context


async def test_a_heartbeat_that_waits_for_its_batch_does_not_delay_other_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "TURN_PATIENCE", 60.0)
    busy, other = await world.start_and_claim(), await world.start_and_claim()
    async with busy.batch() as batch:
        batch.succeeded("a")
        beat = asyncio.create_task(busy.heartbeat(LEASE))
        await asyncio.wait([beat], timeout=0.1)
        async with asyncio.timeout(5):
            await other.finish()
        assert not beat.done()
    await beat
