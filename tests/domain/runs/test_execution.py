"""A worker's hold on a run: what it writes counts once, and nothing after it was taken away."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.inventory.repository.scopes import save_scopes, scopes
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import MESSAGE_LENGTH, Batch, LeaseLostError, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import ItemOutcome, RunCounts, RunEventKind
from domain.runs.repository import reading
from tests.domain.ledger import count_rows, ledger_faults, tables_that_tell
from tests.domain.runs.keeper import Keeper
from tests.world import LEASE, World

BROKEN = ProducerError(FailureReason.INVALID_JSON, "This is no JSON.")


def note(batch: Batch, key: str, outcome: ItemOutcome) -> None:
    """Record one item as a producer does."""
    match outcome:
        case ItemOutcome.SUCCEEDED:
            batch.succeeded(key)
        case ItemOutcome.SKIPPED:
            batch.skipped(key, f"{key} is there already.")
        case ItemOutcome.FAILED:
            batch.failed(key, BROKEN)


async def record(execution: RunExecution, items: dict[str, ItemOutcome]) -> None:
    """Record these items in one batch."""
    async with execution.batch() as batch:
        for key, outcome in items.items():
            note(batch, key, outcome)


async def kinds(world: World, execution: RunExecution) -> list[RunEventKind]:
    """Return the run's timeline."""
    run_id = execution.run.id
    events = await world.read(reading.events, await world.access(), [run_id], after=None, limit=100)
    return [event.kind for event in events[run_id]]


async def test_a_claimed_run_is_running(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    assert execution.run.status_bucket is StatusBucket.RUNNING
    assert execution.run.attempt == 1
    assert execution.run.started_at is not None
    seen = await keeper.run(execution.run.id)
    assert execution.run == replace(seen, observed_at=execution.run.observed_at)
    assert await kinds(world, execution) == [RunEventKind.QUEUED, RunEventKind.STARTED]
    assert not await ledger_faults(world)


async def test_a_message_that_comes_twice_gives_the_run_to_one_worker(world: World) -> None:
    started = await world.start()
    claims = await asyncio.gather(
        *(world.claimer.claim(world.tenant_id, started.run.id, LEASE) for _ in range(8))
    )
    assert sum(claim is not None for claim in claims) == 1
    assert await world.claimer.claim(world.tenant_id, started.run.id, LEASE) is None
    assert not await ledger_faults(world)


async def test_a_message_that_comes_too_early_or_too_late_takes_nothing(
    world: World, keeper: Keeper
) -> None:
    execution = await world.claimed()
    await execution.release(timedelta(minutes=1))
    assert await world.claimer.claim(world.tenant_id, execution.run.id, LEASE) is None
    again = await keeper.claim(execution.run.id)
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
    world: World, keeper: Keeper, write: Callable[[RunExecution], Awaitable[None]], stage: str
) -> None:
    lost = await world.claimed()
    if stage == "pending again":
        await keeper.expire(lost.run.id)
        await keeper.rescue()
    else:
        another = await keeper.take_over(lost)
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


async def test_the_new_worker_goes_on_undisturbed(world: World, keeper: Keeper) -> None:
    lost = await world.claimed()
    another = await keeper.take_over(lost)
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(lost)
    await another.heartbeat(LEASE)
    await record(another, {"a": ItemOutcome.SUCCEEDED})
    await another.finish()
    run = await keeper.run(lost.run.id)
    assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 2)
    assert not await ledger_faults(world)


async def test_the_same_attempt_with_another_token_is_refused(world: World, keeper: Keeper) -> None:
    released = await world.claimed()
    await released.release(timedelta(0))
    # As after a restored backup: the attempt's number alone proves nothing.
    await world.write("UPDATE opsrun.operation_run SET attempt = 0 WHERE tenant_id = :tenant_id")
    again = await keeper.claim(released.run.id)
    assert again.lease.attempt == released.lease.attempt
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(released)
    await again.finish()


async def test_the_effects_of_a_batch_stand_or_fall_with_it(world: World, keeper: Keeper) -> None:
    lost = await world.claimed()
    rows = await count_rows(world)
    with pytest.raises(ZeroDivisionError):
        async with lost.batch() as batch:
            await save_scopes(batch.session, ["prod"])
            batch.succeeded("a")
            raise ZeroDivisionError
    assert await count_rows(world) == rows

    another = await keeper.take_over(lost)
    rows = await count_rows(world)
    with pytest.raises(LeaseLostError):
        async with lost.batch() as batch:
            await save_scopes(batch.session, ["prod"])
            batch.succeeded("a")
    assert await count_rows(world) == rows

    async with another.batch() as batch:
        await save_scopes(batch.session, ["prod"])
        batch.succeeded("a")
    assert [scope.key for scope in await world.read(scopes, await world.access())] == ["prod"]
    assert (await keeper.run(lost.run.id)).counts == RunCounts(None, 1, 0, 0)


async def test_a_run_is_not_taken_away_in_the_middle_of_a_batch(
    world: World, keeper: Keeper
) -> None:
    execution = await world.claimed()
    await keeper.expire(execution.run.id)
    async with execution.batch() as batch:
        batch.succeeded("a")
        await keeper.rescue()
    await execution.heartbeat(LEASE)
    await keeper.rescue()
    await execution.finish()
    assert (await keeper.run(execution.run.id)).status_bucket is StatusBucket.SUCCEEDED


async def test_an_item_counts_once_over_all_attempts(world: World, keeper: Keeper) -> None:
    first = await world.claimed()
    await first.set_total(4)
    await record(first, {"a": ItemOutcome.SUCCEEDED, "b": ItemOutcome.FAILED})
    second = await keeper.take_over(first)
    assert await second.finished_items() == {"a", "b"}
    await record(
        second,
        {"b": ItemOutcome.SUCCEEDED, "c": ItemOutcome.SKIPPED, "d": ItemOutcome.SUCCEEDED},
    )
    await second.finish()
    run = await keeper.run(first.run.id)
    assert run.counts == RunCounts(total=4, succeeded=2, failed=1, skipped=1)
    assert not await ledger_faults(world)


async def test_an_item_recorded_twice_in_a_batch_counts_once(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("a", BROKEN)
        batch.failed("b", BROKEN)
        batch.failed("b", BROKEN)
    assert (await keeper.run(execution.run.id)).counts == RunCounts(None, 1, 1, 0)
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
async def test_counts_are_what_the_items_say_and_never_go_back(
    world: World, keeper: Keeper, work: list[tuple[bool, list[tuple[str, ItemOutcome]]]]
) -> None:
    execution = await world.claimed()
    for worker_vanishes, items in work:
        if worker_vanishes and execution.run.attempt < 3:
            execution = await keeper.take_over(execution)
        async with execution.batch() as batch:
            for key, outcome in items:
                note(batch, key, outcome)
    await execution.finish()
    assert not await ledger_faults(world)
    assert (await keeper.run(execution.run.id)).counts.processed == len(
        {key for _, items in work for key, _ in items}
    )


async def test_an_unchanged_batch_is_no_event(world: World) -> None:
    execution = await world.claimed()
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    before = await kinds(world, execution)
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    await record(execution, {})
    assert await kinds(world, execution) == before


async def test_more_items_than_the_total_are_refused(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await execution.set_total(1)
    with pytest.raises(IntegrityError, match="ck_operation_run_counts"):
        await record(execution, {"a": ItemOutcome.SUCCEEDED, "b": ItemOutcome.SUCCEEDED})
    assert (await keeper.run(execution.run.id)).counts == RunCounts(1, 0, 0, 0)
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
async def test_a_run_ends_as_its_counts_say(
    world: World, keeper: Keeper, outcomes: list[str], status: RunStatus, bucket: StatusBucket
) -> None:
    execution = await world.claimed()
    await record(execution, {outcome: ItemOutcome(outcome) for outcome in outcomes})
    await execution.finish()
    run = await keeper.run(execution.run.id)
    assert (run.status, run.status_bucket) == (status, bucket)
    assert run.finished_at is not None
    assert not await ledger_faults(world)


async def test_a_failed_run_keeps_what_was_done_and_says_why(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await record(execution, {"a": ItemOutcome.SUCCEEDED})
    await execution.fail(FailureReason.SCOPE_NOT_FOUND, "No such scope.", error_id="e-1")
    run = await keeper.run(execution.run.id)
    assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
    assert run.counts == RunCounts(None, 1, 0, 0)
    failures = await world.read(
        reading.failures, await world.access(), [run.id], after=None, reasons=frozenset(), limit=10
    )
    (failure,) = failures[run.id]
    assert (failure.item_key, failure.reason, failure.message, failure.error_id) == (
        None,
        FailureReason.SCOPE_NOT_FOUND,
        "No such scope.",
        "e-1",
    )
    assert not await ledger_faults(world)


async def test_an_end_is_final(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await execution.finish()
    ended = await keeper.run(execution.run.id)
    for write in WRITES.values():
        with pytest.raises(LeaseLostError):
            await write(execution)
    again = await keeper.run(execution.run.id)
    assert (again.version, again.status, again.finished_at) == (
        ended.version,
        ended.status,
        ended.finished_at,
    )
    assert not await ledger_faults(world)


async def test_no_secret_of_a_message_reaches_a_row(world: World) -> None:
    secrets = {
        "connection string": "Sup3rS3cretPassw0rdX",
        "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJlLW9mLXRlc3Rz",
        "e-mail": "jane.roe@customer.example",
    }
    message = (
        f"could not connect to postgresql://admin:{secrets['connection string']}@db:5432/prod,"
        f" header Authorization: Bearer {secrets['token']}, asked by {secrets['e-mail']}"
    )
    execution = await world.claimed()
    async with execution.batch() as batch:
        batch.failed("a", ProducerError(FailureReason.PROVIDER_UNAVAILABLE, message))
    await execution.fail(FailureReason.INTERNAL_ERROR, message, error_id="e-1")

    for secret in secrets.values():
        assert not await tables_that_tell(world, secret)
    kept = await world.rows("SELECT message FROM opsrun.run_failure WHERE tenant_id = :tenant_id")
    assert len(kept) == 2
    assert all(row.message.startswith("could not connect to") for row in kept)
    assert await tables_that_tell(world, "could not connect to") == {"run_failure"}


async def test_a_message_is_kept_short(world: World) -> None:
    execution = await world.claimed()
    await execution.fail(FailureReason.INTERNAL_ERROR, "too long " * 1000)
    ((message,),) = await world.rows(
        "SELECT message FROM opsrun.run_failure WHERE tenant_id = :tenant_id"
    )
    assert len(message) <= MESSAGE_LENGTH


async def test_a_run_handed_back_is_not_charged_and_waits_its_turn(
    world: World, keeper: Keeper
) -> None:
    await keeper.drain()
    execution = await world.claimed()
    await keeper.drain()
    for _ in range(5):
        await execution.release(timedelta(minutes=1))
        assert (await keeper.run(execution.run.id)).status_bucket is StatusBucket.QUEUED
        (ordered,) = await world.rows(
            "SELECT o.not_before - max(e.occurred_at) AS delay FROM opsrun.outbox o"
            " JOIN opsrun.run_event e USING (tenant_id, run_id)"
            " WHERE o.tenant_id = :tenant_id GROUP BY o.id"
        )
        assert timedelta(seconds=59) < ordered.delay <= timedelta(minutes=1)
        await world.write("DELETE FROM opsrun.outbox WHERE tenant_id = :tenant_id")
        execution = await keeper.claim(execution.run.id)
    assert (await kinds(world, execution)).count(RunEventKind.REQUEUED) == 5
    await keeper.expire(execution.run.id)
    await keeper.rescue()
    # Only workers that vanish use up attempts, and this was the first.
    assert (await keeper.run(execution.run.id)).status_bucket is StatusBucket.QUEUED
    assert not await ledger_faults(world)


async def test_a_producer_reads_its_own_tenant_only(world: World) -> None:
    execution = await world.claimed()
    async with execution.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM opsrun.operation_run")) == 1
    assert execution.context == execution.run.context
