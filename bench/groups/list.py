"""The list page of Opsrun, beside what is possible and what others would use."""

from functools import partial
from typing import Any

import asyncpg

from bench.documents import LIST, POSTGRAPHILE_LIST
from bench.load.process import Generator, open_generator
from bench.peers.bare import GUARDED_PAGE
from bench.processes import (
    LIMIT_A,
    LIMIT_E,
    OPSRUN,
    PLAIN,
    POSTGRAPHILE,
    Server,
    available,
    running,
)
from bench.reads import PAGE_SIZE, answer, measure_reads, request
from bench.report import Table, ratio
from bench.stage import LARGE, Stage
from bench.tenants import member_tokens
from bench.timing import by_turns, medians

_SERVERS = (LIMIT_A, LIMIT_E, POSTGRAPHILE, PLAIN, OPSRUN)
_CONNECTIONS = (8, 1)
_COLUMNS = (
    "server",
    "pages/s",
    "of limit A",
    "CPU ms",
    "of limit A",
    "Postgres CPU ms",
    "p50 ms",
    "p99 ms",
)


async def measure_list(stage: Stage) -> list[Table]:
    """Measure the list page of every server, with several connections and with one."""
    tokens = await member_tokens(stage.servers.maintenance, LARGE, max(_CONNECTIONS))
    database = await asyncpg.connect(stage.servers.superuser_url)
    await database.execute(GUARDED_PAGE)
    await database.close()
    async with (
        open_generator("bench.load.http") as generator,
        running(stage.servers, available(_SERVERS)) as servers,
    ):
        await _require_same_pages(stage, generator, servers, tokens[0])
        return [await _compare(stage, generator, servers, tokens[:count]) for count in _CONNECTIONS]


def _request(stage: Stage, server: Server, token: str) -> str:
    if server.name == POSTGRAPHILE:
        tenant = str(stage.servers.tenants[LARGE])
        return request(token, POSTGRAPHILE_LIST, {"tenant": tenant, "first": PAGE_SIZE})
    variables = {"tenant": stage.global_id(LARGE), "first": PAGE_SIZE}
    return request(token, LIST, variables)


async def _require_same_pages(
    stage: Stage, generator: Generator, servers: list[Server], token: str
) -> None:
    """Check that all servers return the same runs, because less work would not be comparable."""
    pages: dict[str, Any] = {}
    for server in servers:
        data = await answer(generator, server, _request(stage, server, token))
        page = data["allOperationRuns"] if server.name == POSTGRAPHILE else data["tenant"]
        pages[server.name] = page
    expected = pages.pop(OPSRUN)["operationRuns"]
    assert len(expected["nodes"]) == PAGE_SIZE
    for name, page in pages.items():
        if name == POSTGRAPHILE:
            assert _columns(page) == _columns(expected), name
        else:
            assert _utc(page["operationRuns"]) == expected, name


def _columns(page: Any) -> list[Any]:
    names = ("runType", "status", "statusBucket")
    return [[node[name] for name in names] for node in page["nodes"]]


def _utc(value: Any) -> Any:
    """Return the value with times in UTC written as Opsrun does."""
    if isinstance(value, dict):
        return {name: _utc(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_utc(each) for each in value]
    return value.replace("+00:00", "Z") if isinstance(value, str) else value


async def _compare(
    stage: Stage, generator: Generator, servers: list[Server], tokens: list[str]
) -> Table:
    works = [
        partial(
            measure_reads,
            stage,
            generator,
            server,
            [_request(stage, server, token) for token in tokens],
        )
        for server in servers
    ]
    await by_turns(works, 1)
    results = map(medians, await by_turns(works, stage.scale.rounds))
    reads = {server.name: result for server, result in zip(servers, results, strict=True)}
    limit = reads[LIMIT_A]
    rows = [
        (
            name,
            each.per_second,
            ratio(each.per_second, limit.per_second),
            each.cpu_ms,
            ratio(each.cpu_ms, limit.cpu_ms),
            each.postgres_cpu_ms,
            each.p50_ms,
            each.p99_ms,
        )
        for name, each in reads.items()
    ]
    count = f"{len(tokens)} connection{'s' * (len(tokens) > 1)}"
    return Table(
        f"The list page ({PAGE_SIZE} runs) with {count}",
        _COLUMNS,
        rows,
        f"At limit A, the server used {limit.server_share:.0%} of a core and the load generator"
        f" {limit.generator_share:.0%}.",
    )
