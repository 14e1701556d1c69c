"""The reads that are measured. Each is prepared once per tenant, then executed many times."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from bench import history
from bench.tenants import LIMIT, PAGE, BenchTenant
from bench.timing import Work
from domain.inventory.repository.scopes import snapshot_runs
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.runs.repository import feed, reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.tenancy.roles import VIEW


@dataclass(frozen=True, slots=True)
class Case:
    """A read to time. With `explained`, its plans are printed as well."""

    name: str
    prepare: Callable[[BenchTenant], Awaitable[Work]]
    explained: bool = False


def _run_filter(
    tenant: BenchTenant,
    *,
    types: Iterable[str] = (),
    buckets: Iterable[StatusBucket] = (),
    initiators: Iterable[int] = (),
) -> RunFilter:
    """Return a filter on the default window; initiators are numbers of `history`."""
    ids = (history.initiator_id(tenant.id, number) for number in initiators)
    return RunFilter(
        tenant.since,
        run_types=frozenset(types),
        status_buckets=frozenset(buckets),
        initiator_ids=frozenset(ids),
    )


def _page(
    name: str,
    *,
    types: Iterable[str] = (),
    buckets: Iterable[StatusBucket] = (),
    initiators: Iterable[int] = (),
) -> Case:
    async def prepare(tenant: BenchTenant) -> Work:
        filter_ = _run_filter(tenant, types=types, buckets=buckets, initiators=initiators)
        return lambda: tenant.cases.transactions.read(
            reading.page, tenant.access, filter_, Keyset(LIMIT)
        )

    return Case(f"page: {name}", prepare, explained=True)


def _deep(name: str, *, backward: bool) -> Case:
    async def prepare(tenant: BenchTenant) -> Work:
        filter_ = RunFilter(tenant.since - history.LENGTH)
        keyset = await tenant.deep(backward=backward)
        return lambda: tenant.cases.transactions.read(reading.page, tenant.access, filter_, keyset)

    return Case(f"page: {name}", prepare, explained=True)


def _facets(name: str, *, types: Iterable[str] = (), buckets: Iterable[StatusBucket] = ()) -> Case:
    async def prepare(tenant: BenchTenant) -> Work:
        filter_ = _run_filter(tenant, types=types, buckets=buckets)
        return lambda: tenant.cases.transactions.read(facets, tenant.access, filter_)

    return Case(f"facets: {name}", prepare, explained=True)


async def _run(tenant: BenchTenant) -> Work:
    ids = [history.run_id(tenant.id, tenant.runs // 2)]
    return lambda: tenant.cases.transactions.read(reading.by_ids, tenant.access, ids)


async def _timeline(tenant: BenchTenant) -> Work:
    ids = [history.run_id(tenant.id, tenant.runs // 2)]
    return lambda: tenant.cases.transactions.read(
        reading.events, tenant.access, ids, after=None, limit=LIMIT
    )


async def _failed_runs(tenant: BenchTenant) -> list[UUID]:
    filter_ = _run_filter(tenant, buckets=[StatusBucket.FAILED])
    return [
        run.id
        for run in await tenant.cases.transactions.read(
            reading.page, tenant.access, filter_, Keyset(PAGE)
        )
    ]


async def _failures(tenant: BenchTenant) -> Work:
    ids = await _failed_runs(tenant)
    return lambda: tenant.cases.transactions.read(
        reading.failures, tenant.access, ids, after=None, reasons=frozenset(), limit=LIMIT
    )


async def _failure_counts(tenant: BenchTenant) -> Work:
    ids = await _failed_runs(tenant)
    return lambda: tenant.cases.transactions.read(reading.failure_groups, tenant.access, ids)


async def _newest_events(tenant: BenchTenant) -> Work:
    async def read() -> object:
        back = 200
        async with tenant.api.transactions.member(tenant.access, VIEW) as session:
            now = await feed.position(session)
            return await feed.events_after(session, now.seq - back, limit=back)

    return read


async def _missed_events(tenant: BenchTenant) -> Work:
    run_id = history.run_id(tenant.id, tenant.runs // 2)

    async def read() -> object:
        async with tenant.api.transactions.member(tenant.access, VIEW) as session:
            return await feed.events_after(session, 0, limit=LIMIT, run_id=run_id)

    return read


async def _last_snapshots(tenant: BenchTenant) -> Work:
    return lambda: tenant.cases.transactions.read(snapshot_runs, tenant.access, "scope-3", 2)


_HUB = """
query Hub($tenant: ID!, $first: Int!) {
  tenant(id: $tenant) {
    operationRuns(first: $first) {
      edges {
        cursor
        node {
          id runType status statusBucket createdAt startedAt finishedAt url failureCount
          counts { total processed succeeded failed skipped }
          initiator { actorId kind name }
          related { __typename }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""


async def hub_page(tenant: BenchTenant) -> Work:
    """Query a page over HTTP, as the hub does."""

    async def read() -> object:
        data = await tenant.client.data(_HUB, tenant=tenant.global_id, first=PAGE)
        return data["tenant"]["operationRuns"]["edges"]

    return read


SYNC, NEVER_PARTIAL = "inventory.sync", history.NEVER_PARTIAL_TYPE
UNKNOWN_TYPE = "no.such_type"
FAILED, PARTIAL = StatusBucket.FAILED, StatusBucket.PARTIALLY_SUCCEEDED

READS = [
    _page("first"),
    _deep("2,000 deep", backward=False),
    _deep("2,000 deep, backward", backward=True),
    _page("a common type", types=[SYNC]),
    _page("a rare type", types=[history.RARE_TYPE]),
    _page("FAILED, which is rare", buckets=[FAILED]),
    _page("an initiator with few runs", initiators=[history.FEW_RUNS_INITIATOR]),
    _page("a departed initiator", initiators=history.DEPARTED_INITIATORS[:1]),
    _page("a type and FAILED", types=[SYNC], buckets=[FAILED]),
    _page("a type and a bucket it never has", types=[NEVER_PARTIAL], buckets=[PARTIAL]),
    _page("an initiator and a bucket", initiators=[5], buckets=[PARTIAL]),
    _page("the system and a rare type", initiators=[history.SYSTEM], types=[history.RARE_TYPE]),
    _page("two types, one unknown", types=[history.RARE_TYPE, UNKNOWN_TYPE]),
    _page(
        "two types, two other buckets",
        types=[NEVER_PARTIAL, UNKNOWN_TYPE],
        buckets=[PARTIAL, FAILED],
    ),
    _page("three buckets", buckets=[FAILED, StatusBucket.QUEUED, StatusBucket.RUNNING]),
    _page("two departed initiators", initiators=history.DEPARTED_INITIATORS),
    _page("50 initiators", initiators=range(1, 51)),
    _facets("all"),
    _facets("a common type", types=[SYNC]),
    _facets("SUCCEEDED, which is common", buckets=[StatusBucket.SUCCEEDED]),
    _facets("FAILED, which is rare", buckets=[FAILED]),
    Case("a run", _run),
    Case("a run's timeline", _timeline),
    Case("failures of 50 runs", _failures, explained=True),
    Case("failure counts of 50 runs", _failure_counts),
    Case("feed: the newest 200 events", _newest_events, explained=True),
    Case("feed: events of one run", _missed_events),
    Case("the last two snapshots of a scope", _last_snapshots, explained=True),
    Case("GraphQL: a page of 50 over HTTP", hub_page),
]
