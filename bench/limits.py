"""Measure what the gate costs the list query: `python -m bench.limits`. Prints ratios."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.filling import fill
from bench.subject import PAGE, UNLIMITED, add_tenant, enter
from bench.timing import Timing, compare
from domain.tenancy.transactions import Transactions
from gql.ids import GlobalId
from gql.schema import schema
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from tests.conftest import settings_for
from tests.gql.api import running_api

RUNS = 2000
ROUNDS = 400
LIST = """query List%s($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: %d) {
  nodes { id runType statusBucket version createdAt startedAt finishedAt progress
    counts { total processed succeeded failed skipped } initiator { kind name } }
  pageInfo { hasNextPage endCursor } } } }"""

Ask = Callable[[], Awaitable[object]]


async def main() -> None:
    """Ask two APIs by turns, one behind the gate and one without it."""
    with TemporaryDirectory(prefix="opsrun-bench-") as name:
        folder = Path(name)
        async with embedded_servers(folder / "servers", durable=False) as servers:
            database = await create_database(servers.postgres_url)
            urls = await provision(database, b"bench")
            async with (
                open_engine(urls[Login.MAINTENANCE]) as keeper,
                open_engine(database) as owner,
            ):
                tenant_id = await add_tenant(Transactions(keeper), "small")
                await fill(owner, {tenant_id: RUNS})
            settings = settings_for(urls[Login.API], servers.redis_url, folder, **UNLIMITED)
            worker = settings_for(urls[Login.WORKER], servers.redis_url, folder)
            async with (
                open_resources(worker, Login.WORKER) as behind,
                running_api(settings) as on,
                running_api(settings) as off,
            ):
                off.view.schema = schema
                clients = [(await enter(api, behind, "small", RUNS)).client for api in (on, off)]
                variables = {"tenant": GlobalId("Tenant", tenant_id).encode()}
                numbers = count()

                def known(api: int) -> Ask:
                    return lambda: clients[api].data(LIST % ("", PAGE), **variables)

                def new(api: int) -> Ask:
                    return lambda: clients[api].data(LIST % (next(numbers), PAGE), **variables)

                click.echo(f"{'milliseconds (median)':40}{'on':>8}{'off':>8}{'ratio':>8}")
                for what, ask in (("the same document each time", known), ("a new one", new)):
                    _tell(what, *await compare(ask(0), ask(1), ROUNDS))


def _tell(what: str, on: Timing, off: Timing) -> None:
    click.echo(f"{what:40}{on.median:>8.2f}{off.median:>8.2f}{on.median / off.median:>8.2f}")


if __name__ == "__main__":
    asyncio.run(main())
