"""Measure what request limits add to the list query: `python -m bench.limits`. Prints ratios."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields
from itertools import count, repeat

import click
from graphql import parse, validate

from bench.servers import filled_servers
from bench.tenants import PAGE, BenchTenant, sign_in
from bench.timing import Work, compare
from gql.admission import Admission, Operation
from gql.documents.validation import chosen_operation
from gql.observation import Observation
from gql.request import GraphQLParams
from gql.schema import core_schema
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from tests.gql.api import running_api

RUNS, ROUNDS, SLUG = 2000, 400, "small"
LIST = """query List%s($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: %d) {
  nodes { id runType statusBucket version createdAt startedAt finishedAt progress
    counts { total processed succeeded failed skipped } initiator { kind name } }
  pageInfo { hasNextPage endCursor } } } }"""


class _Unchecked(Admission):
    """Admits every valid document, without limits, budgets or a cache."""

    async def admit(self, params: GraphQLParams, _: object, observation: Observation) -> Operation:
        text = params.query or ""
        document = parse(text)
        assert not validate(core_schema, document)
        node = observation.node = chosen_operation(document, params.operation_name)
        assert observation.request.actor_id is not None
        user_id, variables = observation.request.actor_id, params.variables or {}
        return Operation(user_id, text, document, node, variables, None, 0)


async def main() -> None:
    """Query two APIs alternately, one with limits and one without."""
    async with (
        filled_servers({SLUG: RUNS}) as servers,
        open_resources(servers.settings(Login.WORKER), Login.WORKER) as worker,
        running_api(servers.settings(Login.API)) as limited,
        running_api(servers.settings(Login.API)) as unlimited,
    ):
        admission = unlimited.view.operations.admission
        unlimited.view.operations.admission = _Unchecked(
            **{field.name: getattr(admission, field.name) for field in fields(admission)}
        )
        tenants = [await sign_in(api, worker, SLUG, RUNS) for api in (limited, unlimited)]
        cases: dict[str, Iterator[str]] = {
            "the same document each time": repeat(LIST % ("", PAGE)),
            "a new document each time": (LIST % (number, PAGE) for number in count()),
        }
        click.echo(f"{'milliseconds (median)':40}{'on':>8}{'off':>8}{'ratio':>8}")
        for label, documents in cases.items():
            works = [_read(tenant, documents) for tenant in tenants]
            on, off = (timing.median for timing in await compare(works, ROUNDS))
            click.echo(f"{label:40}{on:>8.2f}{off:>8.2f}{on / off:>8.2f}")


def _read(tenant: BenchTenant, documents: Iterator[str]) -> Work:
    return lambda: tenant.client.data(next(documents), tenant=tenant.global_id)


if __name__ == "__main__":
    asyncio.run(main())
