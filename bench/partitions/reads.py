"""The product's reads on each layout: medians, and the pages that Postgres reads."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from bench.history import LENGTH
from bench.partitions.sides import Side
from bench.plans import buffers, plans
from bench.report import Cell, Table, ratio
from bench.tenants import LIMIT, WINDOW
from bench.timing import Work, compare
from domain.inventory.repository.scopes import snapshot_runs
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.runs.repository import feed, reading
from domain.runs.repository.reading import Keyset
from domain.tenancy.session import TenantSession

Read = Callable[[TenantSession], Awaitable[object]]
_EVENTS = 200
_SYNC = """
SELECT run.id FROM opsrun.operation_run AS run WHERE run.created_at > $1 AND EXISTS (
    SELECT FROM opsrun.inventory_policy WHERE tenant_id = run.tenant_id AND run_id = run.id)
ORDER BY run.created_at LIMIT 1
"""


async def measure_reads(sides: Sequence[Side], rounds: int) -> list[Table]:
    """Time each read on all sides by turns."""
    cases = [await reads_of(side) for side in sides]
    times: list[Sequence[Cell]] = []
    pages: list[Sequence[Cell]] = []
    for name in cases[0]:
        works = [work_of(side, reads[name]) for side, reads in zip(sides, cases, strict=True)]
        today, *others = [timing.median for timing in await compare(works, rounds)]
        times.append((name, today, *(ratio(other, today) for other in others)))
        explained = [
            await plans(work, side.api, side.access)
            for side, work in zip(sides, works, strict=True)
        ]
        pages.append((name, *(sum(map(buffers, each)) for each in explained)))
    names = [side.layout.name for side in sides]
    return [
        Table(
            "Reads: median",
            ["", f"{names[0]}, ms", *(f"{name}, ratio" for name in names[1:])],
            times,
        ),
        Table("Reads: pages of Postgres", ["", *names], pages),
    ]


def work_of(side: Side, read: Read) -> Work:
    """Return the read as the large tenant's operator, in one round trip for each statement."""
    return lambda: side.api.transactions.read(read, side.access)


async def reads_of(side: Side) -> dict[str, Read]:
    """Return the reads by name. All sides return the same rows, but for their ids."""
    now = side.original.filled_at
    since, everything = RunFilter(now - WINDOW), RunFilter(now - LENGTH - timedelta(days=1))
    first, deep = Keyset(LIMIT), Keyset(LIMIT, (now - LENGTH / 2, UUID(int=0)))
    filtered = RunFilter(now - WINDOW, run_types=frozenset({"inventory.sync"}))
    failed = RunFilter(now - WINDOW, status_buckets=frozenset({StatusBucket.FAILED}))

    old = await side.api.transactions.read(reading.page, side.access, everything, deep)
    middle = [old[0].id]
    sync = await side.database.fetchval(_SYNC, now - LENGTH / 2)
    last = 3 * side.original.rows

    def page(run_filter: RunFilter, keyset: Keyset) -> Read:
        return lambda session: reading.page(session, run_filter, keyset)

    return {
        "first page": page(since, first),
        "page of half the history's age": page(everything, deep),
        "page of a common type": page(filtered, first),
        "page of FAILED": page(failed, first),
        "a run by its id": lambda session: reading.by_ids(session, middle),
        "a run's timeline": lambda session: reading.events(
            session, middle, after=None, limit=LIMIT
        ),
        "a run's items": lambda session: reading.item_keys(session, sync),
        "feed: the newest 200 events": lambda session: feed.events_after(
            session, last - _EVENTS, limit=_EVENTS
        ),
        "feed: 200 events of half the history's age": lambda session: feed.events_after(
            session, last // 2, limit=_EVENTS
        ),
        "the last two snapshots of a scope": lambda session: snapshot_runs(session, "scope-3", 2),
    }
