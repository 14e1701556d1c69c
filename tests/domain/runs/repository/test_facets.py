"""Facets equal a count of the runs, whatever happened to the runs and whatever the filter."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import RunFacets, RunFilter
from domain.runs.repository import facets as module
from domain.runs.repository.facets import PERIODS, facets, whole_periods
from domain.runs.repository.maintenance import delete_runs
from domain.tenancy.models import Initiator
from domain.tenancy.session import TenantSession
from opsrun.postgres.engines import Login
from tests.acts import (
    age,
    claim,
    expire_lease,
    insert_runs,
    inventory_maintenance,
    rescue,
    skip_delay,
    until,
)
from tests.world import World

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
TICK = timedelta(microseconds=1)
# The beginning of a period of every length.
MONDAY = datetime(1970, 1, 1, tzinfo=UTC) + 2920 * WEEK
ALL = RunFilter(MONDAY - 52 * WEEK)
MOMENTS = [
    MONDAY + distance
    for distance in (
        *(-9 * WEEK, -WEEK - TICK, -DAY, -HOUR - TICK, -TICK, 0 * TICK, TICK, HOUR, 5 * HOUR),
        *(6 * HOUR - TICK, DAY, 3 * DAY + HOUR / 2, WEEK - TICK, WEEK, 3 * WEEK + 9 * HOUR),
    )
]
ADA, BOB = UUID(int=1), UUID(int=2)
ENDS = [RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS, RunStatus.FAILED, RunStatus.ABORTED]
STATUSES = [RunStatus.PENDING, RunStatus.RUNNING, *ENDS]

moments = st.sampled_from(MOMENTS)
filters = st.builds(
    RunFilter,
    created_from=moments | st.just(ALL.created_from),
    created_until=st.none() | moments,
    run_types=st.frozensets(st.sampled_from(["inventory.sync", "drift.generate", "x.y"])),
    status_buckets=st.frozensets(st.sampled_from(StatusBucket)),
    initiator_ids=st.frozensets(st.sampled_from([ADA, BOB, UUID(int=3)])),
)
runs = st.fixed_dictionaries(
    {
        "resource": st.sampled_from(["inventory", "x"]),
        "action": st.sampled_from(["sync", "y"]),
        "status": st.sampled_from(STATUSES),
        "failed": st.integers(0, 1),
        "succeeded": st.integers(0, 1),
        "initiator_id": st.sampled_from([ADA, BOB, UUID(int=0)]),
        "initiator_name": st.sampled_from(["Ada", "Äda"]),
        "created_at": moments,
    }
)


async def counted(session: TenantSession, run_filter: RunFilter) -> RunFacets:
    """Count the runs one by one."""
    rows = await session.rows(
        text(
            "SELECT run_type, status_bucket, initiator_id, initiator_name, created_at"
            " FROM opsrun.operation_run WHERE tenant_id = :tenant_id ORDER BY created_at, id"
        ),
        {"tenant_id": session.tenant_id},
    )
    matching = [
        row
        for row in rows
        if run_filter.created_from
        <= row.created_at
        < (run_filter.created_until or datetime.max.replace(tzinfo=UTC))
        and row.run_type in (run_filter.run_types or {row.run_type})
        and row.status_bucket in (run_filter.status_buckets or {row.status_bucket})
        and row.initiator_id in (run_filter.initiator_ids or {row.initiator_id})
    ]
    newest_name = {row.initiator_id: row.initiator_name for row in matching}
    by_initiator = Counter(row.initiator_id for row in matching)
    return RunFacets(
        by_bucket=dict.fromkeys(StatusBucket, 0)
        | Counter(StatusBucket(row.status_bucket) for row in matching),
        by_run_type=Counter(row.run_type for row in matching),
        by_initiator={Initiator(id_, newest_name[id_]): n for id_, n in by_initiator.items()},
    )


async def assert_exact(world: World, *run_filters: RunFilter) -> None:
    """Compare facets with the runs at one moment, as the API's login sees them."""
    transactions = world.resources[Login.API].transactions
    async with transactions.tenant(world.tenant_id, snapshot=True) as session:
        for run_filter in run_filters:
            assert await facets(session, run_filter) == await counted(session, run_filter)


async def counts(world: World) -> list[Any]:
    """Return the tenant's counts."""
    return await world.rows("SELECT * FROM opsrun.run_count WHERE tenant_id = :tenant_id")


async def delete(world: World, *run_ids: UUID) -> None:
    """Delete runs, as the purge does."""
    transactions = world.resources[Login.MAINTENANCE].transactions
    async with transactions.tenant(world.tenant_id) as session:
        await delete_runs(session, run_ids)


CHANGES = [
    "status = 'completed', finished_at = now(), lease_token = NULL",
    "status = 'failed', finished_at = now(), lease_token = NULL",
    "status = 'pending', finished_at = NULL, lease_token = NULL",
    "failed = 1 - failed",
    "initiator_name = 'Ada L.'",
    "initiator_id = '00000000-0000-0000-0000-000000000002'",
    "resource = 'drift', action = 'generate'",
    "created_at = created_at + interval '1 week'",
    "finished_at = finished_at + interval '1 day', version = version + 1",
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    added=st.lists(runs, min_size=1, max_size=20),
    changes=st.lists(st.tuples(st.integers(0, 19), st.sampled_from(CHANGES)), max_size=10),
    deleted=st.sets(st.integers(0, 19), max_size=10),
    run_filters=st.lists(filters, min_size=1, max_size=4),
)
async def test_facets_are_exact_after_any_change_of_runs(
    world: World,
    added: list[dict[str, Any]],
    changes: list[tuple[int, str]],
    deleted: set[int],
    run_filters: list[RunFilter],
) -> None:
    ids = await insert_runs(world, added)
    await assert_exact(world, ALL, *run_filters)
    for number, change in changes:
        await world.write(
            f"UPDATE opsrun.operation_run SET {change} WHERE tenant_id = :tenant_id AND id = :id",
            id=ids[number % len(ids)],
        )
    await assert_exact(world, ALL, *run_filters)
    await delete(world, *(ids[number % len(ids)] for number in deleted))
    await assert_exact(world, ALL, *run_filters)
    await delete(world, *ids)
    assert await counts(world) == []


async def test_facets_follow_a_run_through_its_life(world: World) -> None:
    recent = RunFilter(datetime.now(UTC) - DAY)

    async def buckets() -> dict[StatusBucket, int]:
        await assert_exact(world, recent)
        current = await world.read(facets, await world.access(), recent)
        return {bucket: runs for bucket, runs in current.by_bucket.items() if runs}

    run_id = (await world.start()).run.id
    assert await buckets() == {StatusBucket.QUEUED: 1}
    execution = await claim(world, run_id)
    assert await buckets() == {StatusBucket.RUNNING: 1}
    await execution.release(timedelta(0))
    assert await buckets() == {StatusBucket.QUEUED: 1}
    await claim(world, run_id)
    await expire_lease(world, run_id)
    await rescue(world)
    assert await buckets() == {StatusBucket.QUEUED: 1}
    execution = await claim(world, run_id)
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("b", ProducerError(FailureReason.INVALID_POLICY, "It has no name."))
    assert await buckets() == {StatusBucket.RUNNING: 1}
    await execution.finish()
    assert await buckets() == {StatusBucket.PARTIALLY_SUCCEEDED: 1}
    other = await world.start_and_claim()
    await other.fail(FailureReason.INVALID_POLICY, "It has no name.")
    assert await buckets() == {StatusBucket.PARTIALLY_SUCCEEDED: 1, StatusBucket.FAILED: 1}
    await age(world, run_id, days=400)
    assert await inventory_maintenance(world).purge_runs(world.tenant_id) == 1
    assert await buckets() == {StatusBucket.FAILED: 1}


async def test_facets_are_exact_at_every_moment_while_many_processes_move_runs(
    world: World,
) -> None:
    recent = RunFilter(datetime.now(UTC) - 2 * DAY)
    old = await insert_runs(
        world,
        [
            {
                "status": RunStatus.COMPLETED,
                "created_at": datetime.now(UTC) - DAY,
                "initiator_id": id_,
            }
            for id_ in (ADA, BOB) * 30
        ],
    )
    await age(world, *old, days=400)

    async def live() -> None:
        for number in range(6):
            execution = await world.start_and_claim()
            if number % 3 == 1:
                await execution.release(timedelta(0))
                execution = await claim(world, execution.run.id)
            if number % 2:
                await execution.fail(FailureReason.INVALID_POLICY, "Nameless.")
            else:
                await execution.finish()

    async def purge(run_ids: Sequence[UUID]) -> None:
        for pair in zip(run_ids[::2], run_ids[1::2], strict=True):
            await delete(world, *pair)

    # The purges delete runs of the same periods in opposite orders.
    purging = (purge(old[:30]), purge(old[30:][::-1]))
    working = asyncio.gather(*(live() for _ in range(4)), *purging)
    while not working.done():
        await assert_exact(world, recent)
    await working
    await assert_exact(
        world, recent, RunFilter(recent.created_from, run_types=frozenset({"inventory.sync"}))
    )
    current = await world.read(facets, await world.access(), recent)
    assert current.by_bucket[StatusBucket.SUCCEEDED] == 12
    assert current.by_bucket[StatusBucket.FAILED] == 12


async def test_transactions_that_update_counts_in_opposite_orders_do_not_deadlock(
    world: World,
) -> None:
    run = {"status": RunStatus.COMPLETED, "created_at": MONDAY}
    one, other, *more = await insert_runs(
        world,
        [
            {**run, "resource": resource, "initiator_id": initiator}
            for resource, initiator in (("x", ADA), ("y", BOB)) * 2
        ],
    )
    transactions = world.resources[Login.MAINTENANCE].transactions
    waiting: list[int] = []

    async def second_transaction() -> None:
        async with transactions.tenant(world.tenant_id) as session:
            await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            waiting.append(await session.scalar(text("SELECT pg_backend_pid()")))
            for run_id in more[::-1]:
                await delete_runs(session, [run_id])

    async def is_waiting() -> bool:
        blocked = "SELECT pid FROM pg_locks WHERE pid = ANY(:pids) AND NOT granted"
        return bool(await world.rows(blocked, pids=waiting))

    async with asyncio.TaskGroup() as group, transactions.tenant(world.tenant_id) as session:
        await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        await delete_runs(session, [one])
        group.create_task(second_transaction())
        await until(is_waiting)
        await delete_runs(session, [other])
    assert await counts(world) == []


async def test_a_transaction_that_rolls_back_counts_nothing(world: World) -> None:
    ids = await insert_runs(world, [{"status": RunStatus.COMPLETED, "created_at": MONDAY}] * 2)
    before = await counts(world)
    with pytest.raises(RuntimeError):
        async with world.resources[Login.MAINTENANCE].transactions.tenant(
            world.tenant_id
        ) as session:
            await delete_runs(session, ids)
            raise RuntimeError
    assert await counts(world) == before
    await assert_exact(world, ALL)


async def test_a_deleted_tenant_takes_its_counts_along(world: World) -> None:
    await insert_runs(world, [{"status": RunStatus.COMPLETED}] * 2)
    assert await counts(world)
    await world.write("DELETE FROM opsrun.tenant WHERE id = :tenant_id")
    assert await counts(world) == []


async def test_an_active_run_has_no_count(world: World) -> None:
    await world.start_and_claim()
    await skip_delay(world, (await world.start()).run.id)
    assert await counts(world) == []


WINDOWS = [
    *((begin, end) for begin in MOMENTS for end in MOMENTS if begin < end),
    (MONDAY, datetime.max.replace(tzinfo=UTC)),
    (datetime.min.replace(tzinfo=UTC), MONDAY),
    (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
]


@pytest.mark.parametrize("lengths", [PERIODS, PERIODS[1:]])
def test_whole_periods_cover_a_window_once_without_its_incomplete_ends(
    lengths: tuple[int, ...],
) -> None:
    shortest = timedelta(hours=lengths[0])
    for begin, end in WINDOWS:
        ranges = sorted(
            (first, last, hours) for hours, first, last in whole_periods(begin, end, lengths)
        )
        ranges = [each for each in ranges if each[0] < each[1]]
        assert all(one[1] == other[0] for one, other in pairwise(ranges))
        assert all(
            (last - first) % timedelta(hours=hours) == timedelta(0) for first, last, hours in ranges
        )
        if not ranges:
            assert end - begin < 2 * shortest
        elif begin.year > 1 and end.year < 9999:
            assert begin <= ranges[0][0] < begin + shortest
            assert end - shortest < ranges[-1][1] <= end


async def test_a_window_of_years_reads_few_counts(world: World) -> None:
    """A window's cost depends on its number of weeks, at most."""
    ranges = whole_periods(MONDAY - 520 * WEEK + TICK, MONDAY - TICK)
    periods = Counter[int]()
    for hours, first, last in ranges:
        periods[hours] += (last - first) // timedelta(hours=hours)
    assert periods == {1: 10, 6: 6, 24: 12, 168: 518}


async def test_only_the_newest_name_of_the_filter_is_shown(world: World) -> None:
    def run(name: str, created_at: datetime, status: RunStatus = RunStatus.COMPLETED) -> Any:
        return {
            "initiator_id": ADA,
            "initiator_name": name,
            "created_at": created_at,
            "status": status,
        }

    await insert_runs(
        world,
        [
            run("Ada K.", MONDAY + TICK, RunStatus.PENDING),
            run("Ada", MONDAY + 2 * TICK),
            run("Ada L.", MONDAY + DAY),
            run("Ada M.", MONDAY + DAY + TICK, RunStatus.FAILED),
            run("Ada N.", MONDAY + WEEK, RunStatus.PENDING),
        ],
    )

    async def name(**filter_: Any) -> str:
        run_filter = RunFilter(**{"created_from": MONDAY + TICK, **filter_})
        await assert_exact(world, run_filter)
        current = await world.read(facets, await world.access(), run_filter)
        (initiator,) = current.by_initiator
        return initiator.name

    assert await name() == "Ada N."
    assert await name(created_until=MONDAY + WEEK) == "Ada M."
    assert await name(status_buckets=frozenset({StatusBucket.SUCCEEDED})) == "Ada L."
    assert await name(created_until=MONDAY + DAY) == "Ada"


async def test_facets_return_the_initiators_with_the_most_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INITIATOR_LIMIT", 1)
    await insert_runs(
        world,
        [
            {"initiator_id": id_, "status": status}
            for id_, status in (
                (ADA, RunStatus.COMPLETED),
                (BOB, RunStatus.COMPLETED),
                (BOB, RunStatus.PENDING),
            )
        ],
    )
    current = await world.read(facets, await world.access(), RunFilter(datetime.now(UTC) - DAY))
    assert {initiator.id: runs for initiator, runs in current.by_initiator.items()} == {BOB: 2}
