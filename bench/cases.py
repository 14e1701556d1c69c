"""What is measured: each case is made ready once per tenant and then read many times."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from bench import history
from bench.subject import LIMIT, PAGE, Subject
from domain.inventory import repository as inventory
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.runs.repository import feed
from domain.runs.repository.reading import Keyset
from domain.tenancy.roles import VIEW

Read = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Case:
    """Something to read; `explained` when its plan is of interest."""

    name: str
    prepare: Callable[[Subject], Awaitable[Read]]
    explained: bool = False


def wanted(
    subject: Subject,
    *,
    types: Iterable[str] = (),
    buckets: Iterable[StatusBucket] = (),
    initiators: Iterable[int] = (),
) -> RunFilter:
    """Return a filter within the default window; initiators by their numbers."""
    ids = (history.initiator_id(subject.tenant_id, number) for number in initiators)
    return RunFilter(
        subject.since,
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
    async def prepare(subject: Subject) -> Read:
        filter_ = wanted(subject, types=types, buckets=buckets, initiators=initiators)
        return lambda: subject.cases.runs.page(subject.access, filter_, Keyset(LIMIT))

    return Case(f"page: {name}", prepare, explained=True)


def _deep(name: str, *, backward: bool) -> Case:
    async def prepare(subject: Subject) -> Read:
        filter_ = RunFilter(subject.since - history.LENGTH)
        keyset = await subject.deep(backward=backward)
        return lambda: subject.cases.runs.page(subject.access, filter_, keyset)

    return Case(f"page: {name}", prepare, explained=True)


def _facets(name: str, *, buckets: Iterable[StatusBucket] = ()) -> Case:
    async def prepare(subject: Subject) -> Read:
        filter_ = wanted(subject, buckets=buckets)
        return lambda: subject.cases.runs.facets(subject.access, filter_)

    return Case(f"facets: {name}", prepare, explained=True)


async def _run(subject: Subject) -> Read:
    ids = [history.run_id(subject.tenant_id, subject.runs // 2)]
    return lambda: subject.cases.runs.by_ids(subject.access, ids)


async def _timeline(subject: Subject) -> Read:
    ids = [history.run_id(subject.tenant_id, subject.runs // 2)]
    runs = subject.cases.runs
    return lambda: runs.events(subject.access, ids, after_version=0, limit=LIMIT)


async def _failed_runs(subject: Subject) -> list[UUID]:
    filter_ = wanted(subject, buckets=[StatusBucket.FAILED])
    return [run.id for run in await subject.cases.runs.page(subject.access, filter_, Keyset(PAGE))]


async def _failures(subject: Subject) -> Read:
    ids, runs = await _failed_runs(subject), subject.cases.runs
    return lambda: runs.failures(subject.access, ids, after=None, reasons=frozenset(), limit=LIMIT)


async def _failure_counts(subject: Subject) -> Read:
    ids = await _failed_runs(subject)
    return lambda: subject.cases.runs.failure_groups(subject.access, ids)


async def _newest_events(subject: Subject) -> Read:
    async def read() -> object:
        tenant_id, back = subject.tenant_id, 200
        async with subject.api.transactions.member(subject.access, VIEW) as connection:
            now = await feed.position(connection, tenant_id)
            return await feed.events_after(connection, tenant_id, now.seq - back, limit=back)

    return read


async def _missed_events(subject: Subject) -> Read:
    run_id = history.run_id(subject.tenant_id, subject.runs // 2)

    async def read() -> object:
        async with subject.api.transactions.member(subject.access, VIEW) as connection:
            return await feed.events_after(
                connection, subject.tenant_id, 0, limit=LIMIT, run_id=run_id
            )

    return read


async def _last_snapshots(subject: Subject) -> Read:
    async def read() -> object:
        async with subject.api.transactions.member(subject.access, VIEW) as connection:
            return await inventory.snapshot_runs(connection, subject.tenant_id, "scope-3", 2)

    return read


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


async def hub_page(subject: Subject) -> Read:
    """Ask over HTTP as the hub does."""

    async def read() -> object:
        data = await subject.client.data(_HUB, tenant=subject.global_id, first=PAGE)
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
    _page("an initiator who has left", initiators=history.DEPARTED_INITIATORS[:1]),
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
    _page("two initiators who have left", initiators=history.DEPARTED_INITIATORS),
    _page("50 initiators", initiators=range(1, 51)),
    _facets("all"),
    _facets("FAILED", buckets=[FAILED]),
    Case("a run", _run),
    Case("a run's timeline", _timeline),
    Case("failures of 50 runs", _failures, explained=True),
    Case("failure counts of 50 runs", _failure_counts),
    Case("feed: the newest 200 events", _newest_events, explained=True),
    Case("feed: events of one run", _missed_events),
    Case("the last two snapshots of a scope", _last_snapshots, explained=True),
    Case("GraphQL: a page of 50 over HTTP", hub_page),
]
