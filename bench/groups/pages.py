"""Opsrun's other reads, beside the first page of the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg

from bench import history
from bench.documents import DETAIL, FACETS, PAGE
from bench.load.process import Generator, open_generator
from bench.processes import OPSRUN, Server, running
from bench.reads import PAGE_SIZE, answer, measure_reads, request
from bench.report import Table, ratio
from bench.roundtrips import RoundTrips
from bench.stage import LARGE, Stage
from bench.tenants import DEEP_PAGES, member_tokens
from bench.timing import by_turns, medians
from gql.ids import GlobalId
from gql.pages import Cursor

FIRST = "page 1"
_COLUMNS = (
    "read",
    "p50 ms",
    "of page 1",
    "CPU ms",
    "of page 1",
    "Postgres CPU ms",
    "SQL round trips",
)
# The driver prepares each statement once on each connection.
_WARM_UP, _COUNTED = 5, 5


@dataclass(frozen=True, slots=True)
class Read:
    """A query and its variables, without those of every page."""

    query: str = PAGE
    variables: Mapping[str, Any] = field(default_factory=dict)


async def measure_pages(stage: Stage) -> list[Table]:
    """Measure each read on one connection by turns, and count its SQL round trips."""
    [token] = await member_tokens(stage.servers.maintenance, LARGE, 1)
    reads = {name: _request(stage, token, read) for name, read in (await _reads(stage)).items()}
    async with open_generator("bench.load.http") as generator:
        async with running(stage.servers, [OPSRUN]) as [server]:
            works = [
                partial(measure_reads, stage, generator, server, [text]) for text in reads.values()
            ]
            await by_turns(works, 1)
            measured = map(medians, await by_turns(works, stage.scale.rounds))
        counts = await _count_round_trips(stage, generator, [*reads.values()])
    figures = dict(zip(reads, measured, strict=True))
    first = figures[FIRST]
    rows = [
        (
            name,
            each.p50_ms,
            ratio(each.p50_ms, first.p50_ms),
            each.cpu_ms,
            ratio(each.cpu_ms, first.cpu_ms),
            each.postgres_cpu_ms,
            count,
        )
        for (name, each), count in zip(figures.items(), counts, strict=True)
    ]
    return [Table("Other reads with one connection", _COLUMNS, rows)]


def _request(stage: Stage, token: str, read: Read) -> str:
    variables = {"tenant": stage.global_id(LARGE), "first": PAGE_SIZE, **read.variables}
    names = [name for name in variables if f"${name}:" in read.query]
    return request(token, read.query, {name: variables[name] for name in names})


async def _reads(stage: Stage) -> dict[str, Read]:
    tenant = stage.servers.tenants[LARGE]

    def initiators(*numbers: int) -> list[str]:
        ids = (history.initiator_id(tenant, number) for number in numbers)
        return [GlobalId("Initiator", tenant, id_.hex).encode() for id_ in ids]

    def page(**filter_: Any) -> Read:
        return Read(PAGE, {"filter": filter_})

    rare, sync = [history.RARE_TYPE], ["inventory.sync"]
    deep, partly = await _deep_cursor(stage), await _partly_succeeded(stage)
    return {
        FIRST: Read(),
        f"page {DEEP_PAGES:,}": Read(PAGE, {"after": deep}),
        "a common type": page(runTypes=sync),
        "a rare type": page(runTypes=rare),
        "FAILED, which is rare": page(statusBuckets=["FAILED"]),
        "a type and FAILED": page(runTypes=sync, statusBuckets=["FAILED"]),
        "three buckets": page(statusBuckets=["FAILED", "QUEUED", "RUNNING"]),
        "an initiator with few runs": page(initiatorIds=initiators(history.FEW_RUNS_INITIATOR)),
        "50 initiators": page(initiatorIds=initiators(*range(1, 51))),
        "the system and a rare type": page(runTypes=rare, initiatorIds=initiators(history.SYSTEM)),
        "facets": Read(FACETS),
        "facets of FAILED": Read(FACETS, {"filter": {"statusBuckets": ["FAILED"]}}),
        "a run's detail": Read(DETAIL, {"run": partly}),
    }


async def _deep_cursor(stage: Stage) -> str:
    """Return the cursor before page DEEP_PAGES, or of the middle of a smaller tenant."""
    tenant, rows = stage.servers.tenants[LARGE], stage.scale.rows
    run = history.run_id(tenant, rows - min(DEEP_PAGES * PAGE_SIZE, rows // 4))
    [row] = await _fetch(stage, "SELECT created_at FROM opsrun.operation_run WHERE id = $1", run)
    return Cursor("runs", tenant, (row["created_at"].isoformat(), run.hex)).encode()


async def _partly_succeeded(stage: Stage) -> str:
    """Return the id of a run that has items, failures and events."""
    tenant = stage.servers.tenants[LARGE]
    [row] = await _fetch(
        stage,
        "SELECT id FROM opsrun.operation_run WHERE tenant_id = $1"
        " AND status_bucket = 'PARTIALLY_SUCCEEDED' AND run_type = 'inventory.sync'"
        " ORDER BY created_at DESC LIMIT 1",
        tenant,
    )
    return GlobalId("OperationRun", tenant, row["id"].hex).encode()


async def _fetch(stage: Stage, sql: str, *arguments: Any) -> list[Any]:
    database = await asyncpg.connect(stage.servers.superuser_url)
    try:
        return [*await database.fetch(sql, *arguments)]
    finally:
        await database.close()


async def _count_round_trips(
    stage: Stage, generator: Generator, requests: Sequence[str]
) -> list[float]:
    """Send each request to an API behind a counting proxy; return its round trips."""
    async with (
        stage.servers.counted_round_trips() as round_trips,
        running(stage.servers, [OPSRUN], round_trips.port) as [server],
    ):
        return [await _count(round_trips, generator, server, text) for text in requests]


async def _count(round_trips: RoundTrips, generator: Generator, server: Server, text: str) -> float:
    """Return the fewest round trips of several requests: health checks may add some."""
    for _ in range(_WARM_UP):
        await answer(generator, server, text)
    counts = []
    for _ in range(_COUNTED):
        before = round_trips.count
        await answer(generator, server, text)
        counts.append(round_trips.count - before)
    return min(counts)
