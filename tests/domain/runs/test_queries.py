"""Members read every run exactly once, and list, detail and facets agree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs import queries as module
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import FeedCursor, OperationRun, RunEventKind, RunFilter
from domain.runs.repository import facets as facets_module
from domain.runs.repository import reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.tenancy.models import Initiator
from domain.tenancy.roles import TenantRole
from tests.acts import insert_runs
from tests.ledger import reload
from tests.runs import changed
from tests.world import World

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = RunFilter(NOON - timedelta(days=1))


async def page(world: World, run_filter: RunFilter, keyset: Keyset) -> list[OperationRun]:
    """Read one page as the lowest role."""
    access = await world.access(TenantRole.READONLY)
    return list(await world.read(reading.page, access, run_filter, keyset))


async def walk(world: World, size: int, *, backward: bool) -> list[UUID]:
    """Read all pages."""
    seen: list[UUID] = []
    start: tuple[datetime, UUID] | None = None
    while runs := await page(world, ALL, Keyset(size, start, backward)):
        assert len(runs) <= size
        seen += [run.id for run in runs]
        assert len(seen) == len(set(seen))
        start = (runs[-1].created_at, runs[-1].id)
    return seen


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
async def test_pages_hold_every_run_once_even_if_many_began_at_the_same_time(
    world: World, size: int
) -> None:
    moments = [NOON, NOON, NOON, NOON, NOON + MINUTE, NOON + MINUTE, NOON - MINUTE]
    run_ids = await insert_runs(world, [{"created_at": moment} for moment in moments])
    newest_first = [
        run_id for _, run_id in sorted(zip(moments, run_ids, strict=True), reverse=True)
    ]
    assert await walk(world, size, backward=False) == newest_first
    assert await walk(world, size, backward=True) == newest_first[::-1]


async def test_pages_can_be_read_backwards(world: World) -> None:
    await insert_runs(world, [{"created_at": NOON}] * 6)
    runs = await page(world, ALL, Keyset(6))
    middle = (runs[3].created_at, runs[3].id)
    older = await page(world, ALL, Keyset(2, middle))
    newer = await page(world, ALL, Keyset(2, middle, backward=True))
    assert without_read_time(older) == without_read_time(runs[4:6])
    assert without_read_time(newer) == without_read_time(runs[1:3][::-1])


def without_read_time(runs: Iterable[OperationRun]) -> list[OperationRun]:
    """Return the runs without the time of reading."""
    return [changed(run, observed_at=NOON) for run in runs]


async def test_runs_that_begin_between_two_pages_do_not_shift_them(world: World) -> None:
    first = await insert_runs(world, [{"created_at": NOON}] * 4)
    newest = await page(world, ALL, Keyset(2))
    await insert_runs(world, [{"created_at": NOON + MINUTE}] * 3)
    rest = await page(world, ALL, Keyset(10, (newest[-1].created_at, newest[-1].id)))
    assert Counter(run.id for run in newest + rest) == Counter(first)


ADA, BOB = UUID(int=1), UUID(int=2)
MANY = frozenset(UUID(int=n) for n in range(2, 52))
_MOMENTS = st.sampled_from([NOON + minutes * MINUTE for minutes in range(-1, 3)])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    run_filter=st.builds(
        RunFilter,
        created_from=_MOMENTS,
        created_until=st.none() | _MOMENTS,
        run_types=st.frozensets(st.sampled_from(["inventory.sync", "drift.generate", "x.y"])),
        status_buckets=st.frozensets(st.sampled_from(StatusBucket)),
        initiator_ids=st.frozensets(st.sampled_from([ADA, BOB, UUID(int=3)])) | st.just(MANY),
    )
)
async def test_list_facets_and_live_filter_agree(world: World, run_filter: RunFilter) -> None:
    stored = await page(world, ALL, Keyset(1000))
    if not stored:
        await insert_runs(
            world,
            [
                {
                    "resource": resource,
                    "action": action,
                    "status": status,
                    "failed": failed,
                    "succeeded": 1,
                    "initiator_id": initiator,
                    "created_at": NOON + minutes * MINUTE,
                }
                for resource, action in (("inventory", "sync"), ("drift", "generate"))
                for status, failed in ((RunStatus.PENDING, 0), *_ENDS)
                for initiator in (ADA, BOB)
                for minutes in range(2)
            ],
        )
        stored = await page(world, ALL, Keyset(1000))
    listed = await page(world, run_filter, Keyset(1000))
    assert [run.id for run in listed] == [
        run.id for run in stored if run_filter.matches(run, run.status_bucket)
    ]
    counted = await world.read(facets, await world.access(TenantRole.READONLY), run_filter)
    assert counted.by_bucket == dict.fromkeys(StatusBucket, 0) | Counter(
        run.status_bucket for run in listed
    )
    assert counted.by_run_type == Counter(run.run_type for run in listed)
    assert counted.by_initiator == Counter(run.initiator for run in listed)


_ENDS = [(RunStatus.COMPLETED, 0), (RunStatus.COMPLETED, 1), (RunStatus.FAILED, 1)]


async def test_initiators_are_ordered_by_runs_and_have_their_newest_name(
    world: World,
) -> None:
    names = [(ADA, "Ada"), (ADA, "Ada L."), (BOB, "Bob"), (BOB, "Bob"), (BOB, "Robert")]
    await insert_runs(
        world,
        [
            {"created_at": NOON + minutes * MINUTE, "initiator_id": id_, "initiator_name": name}
            for minutes, (id_, name) in enumerate([*names, (UUID(int=3), "Zoe")])
        ],
    )
    access = await world.access(TenantRole.READONLY)
    counted = await world.read(facets, access, ALL)
    assert list(counted.by_initiator.items()) == [
        (Initiator(BOB, "Robert"), 3),
        (Initiator(ADA, "Ada L."), 2),
        (Initiator(UUID(int=3), "Zoe"), 1),
    ]
    earlier = replace(ALL, created_until=NOON + 4 * MINUTE)
    counted = await world.read(facets, access, earlier)
    assert list(counted.by_initiator.items()) == [
        (Initiator(ADA, "Ada L."), 2),
        (Initiator(BOB, "Bob"), 2),
    ]


async def test_facets_name_only_the_initiators_with_the_most_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = [ADA, BOB, BOB, UUID(int=3), UUID(int=3), UUID(int=3)]
    await insert_runs(world, [{"created_at": NOON, "initiator_id": id_} for id_ in by])
    monkeypatch.setattr(facets_module, "INITIATOR_LIMIT", 2)
    counted = await world.read(facets, await world.access(), ALL)
    assert [initiator.id for initiator in counted.by_initiator] == [UUID(int=3), BOB]
    assert sum(counted.by_bucket.values()) == len(by)


async def test_list_and_detail_agree(world: World) -> None:
    execution = await world.start_and_claim()
    await work(execution, ["ok-1", "torn-1"])
    recent = RunFilter(datetime.now(UTC) - timedelta(hours=1))
    (listed,) = await page(world, recent, Keyset(10))
    by_id = await world.read(reading.by_ids, await world.access(), [listed.id, uuid4()])
    assert without_read_time(by_id.values()) == without_read_time([listed])


async def test_a_run_of_another_tenant_is_unknown(world: World) -> None:
    neighbour = await World.create(world.resources, world.exports)
    execution = await neighbour.start_and_claim()
    await work(execution, ["torn-1"])
    access, run_id = await world.access(), execution.run.id
    assert await world.read(reading.by_ids, access, [run_id]) == {}
    assert await world.cases.runs.resume_run(access, run_id, None) is None
    assert not await world.read(
        reading.failures, access, [run_id], after=None, reasons=frozenset(), limit=10
    )
    assert not await world.read(reading.failure_groups, access, [run_id])
    assert not await world.read(reading.events, access, [run_id], after=None, limit=10)


REASONS = {"torn": FailureReason.INVALID_JSON, "huge": FailureReason.FILE_TOO_LARGE}


async def work(execution: RunExecution, items: Sequence[str]) -> None:
    """Record items with the outcomes that their names begin with."""
    async with execution.batch() as batch:
        for key in items:
            kind = key.split("-")[0]
            if kind == "ok":
                batch.succeeded(key)
            else:
                batch.failed(key, ProducerError(REASONS[kind], f"{key} is unusable."))


async def test_failures_of_many_runs_are_paged_per_run(world: World) -> None:
    one, other, fine = [await world.start_and_claim() for _ in range(3)]
    await work(one, ["torn-1", "torn-2", "huge-3", "ok-4"])
    await one.fail(FailureReason.TIMEOUT, "Too slow.")
    await work(other, ["huge-1"])
    await work(fine, ["ok-1"])
    access = await world.access(TenantRole.READONLY)
    run_ids = [execution.run.id for execution in (one, other, fine)]

    async def items(after: str | None, *reasons: FailureReason) -> dict[UUID, list[str | None]]:
        pages = await world.read(
            reading.failures, access, run_ids, after=after, reasons=frozenset(reasons), limit=2
        )
        return {run_id: [each.item_key for each in some] for run_id, some in pages.items()}

    assert await items(None) == {run_ids[0]: [None, "huge-3"], run_ids[1]: ["huge-1"]}
    assert await items("") == {run_ids[0]: ["huge-3", "torn-1"], run_ids[1]: ["huge-1"]}
    assert await items("huge-3") == {run_ids[0]: ["torn-1", "torn-2"]}
    assert await items("torn-2") == {}
    assert await items(None, FailureReason.INVALID_JSON) == {run_ids[0]: ["torn-1", "torn-2"]}

    groups = await world.read(reading.failure_groups, access, run_ids)
    assert {
        run_id: [(group.reason, group.count, group.retryable) for group in some]
        for run_id, some in groups.items()
    } == {
        run_ids[0]: [
            (FailureReason.INVALID_JSON, 2, False),
            (FailureReason.FILE_TOO_LARGE, 1, False),
            (FailureReason.TIMEOUT, 1, True),
        ],
        run_ids[1]: [(FailureReason.FILE_TOO_LARGE, 1, False)],
    }
    assert groups[run_ids[1]][0].example_message == "huge-1 is unusable."


async def test_timelines_of_many_runs_are_paged_per_run(world: World) -> None:
    one, other = [await world.start_and_claim() for _ in range(2)]
    await work(one, ["ok-1"])
    await one.finish()
    access = await world.access(TenantRole.READONLY)
    run_ids = [one.run.id, other.run.id]

    async def kinds(after: int, limit: int) -> dict[UUID, list[RunEventKind]]:
        pages = await world.read(reading.events, access, run_ids, after=after, limit=limit)
        return {run_id: [event.kind for event in some] for run_id, some in pages.items()}

    begun = [RunEventKind.QUEUED, RunEventKind.STARTED]
    ended = [RunEventKind.PROGRESSED, RunEventKind.FINISHED]
    assert await kinds(0, 100) == {run_ids[0]: begun + ended, run_ids[1]: begun}
    assert await kinds(0, 1) == dict.fromkeys(run_ids, begun[:1])
    assert await kinds(2, 100) == {run_ids[0]: ended}


async def test_runs_expire_by_the_tenants_retention(world: World) -> None:
    execution = await world.start_and_claim()
    assert (await reload(world, execution.run.id)).expires_at is None
    await execution.finish()
    await world.cases.tenancy.set_retention(await world.access(TenantRole.OWNER), 7)
    run = await reload(world, execution.run.id)
    assert run.finished_at is not None
    assert run.expires_at == run.finished_at + timedelta(days=7)


# Snapshots and resuming


async def test_a_snapshot_holds_the_newest_runs_and_the_cursor_of_its_moment(world: World) -> None:
    access = await world.access(TenantRole.READONLY)
    recent = RunFilter(datetime.now(UTC) - timedelta(hours=1))
    first = [(await world.start()).run.id for _ in range(3)]
    snapshot = await world.cases.runs.snapshot(access, recent, 2)
    assert [run.id for run in snapshot.runs] == first[:0:-1]
    assert snapshot.cursor == await world.cursor(access)
    assert snapshot.cursor.seq == 3


async def test_a_follower_gets_the_missed_events_of_its_run(world: World) -> None:
    execution = await world.start_and_claim()
    run_id = execution.run.id
    access = await world.access(TenantRole.READONLY)
    start = await world.cursor(access)
    await world.start()
    await work(execution, ["ok-1"])
    await execution.finish()

    resumed = await world.cases.runs.resume_run(access, run_id, start)
    assert resumed is not None
    assert resumed.missed is not None
    assert [event.seq for event in resumed.missed] == [start.seq + 2, start.seq + 3]
    assert resumed.run.status_bucket is StatusBucket.SUCCEEDED
    assert resumed.cursor == await world.cursor(access)
    up_to_date = await world.cases.runs.resume_run(access, run_id, resumed.cursor)
    assert up_to_date is not None
    assert up_to_date.missed == []


async def test_an_invalid_or_too_old_cursor_returns_the_run_without_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await world.start_and_claim()
    access = await world.access(TenantRole.READONLY)
    here = await world.cursor(access)
    invalid = [
        None,
        replace(here, seq=here.seq + 1),
        FeedCursor(uuid4(), here.seq),
    ]
    monkeypatch.setattr(module, "MISSED_LIMIT", 1)
    for cursor in (*invalid, replace(here, seq=0)):
        resumed = await world.cases.runs.resume_run(access, execution.run.id, cursor)
        assert resumed is not None
        assert resumed.missed is None
        assert resumed.run.id == execution.run.id
    resumed = await world.cases.runs.resume_run(access, execution.run.id, replace(here, seq=1))
    assert resumed is not None
    assert resumed.missed is not None
    assert [event.seq for event in resumed.missed] == [2]
