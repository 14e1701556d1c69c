"""Start Postgres and Valkey with filled tenants, for the benchmarks that run in one process."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.filling import fill
from bench.tenants import add_tenant
from domain.tenancy.transactions import Transactions
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.settings import Settings
from tests.conftest import settings_for

# A benchmark sends more requests than a user may.
_UNLIMITED = {"cost_per_minute": 10**9}


@asynccontextmanager
async def filled_servers(sizes: Mapping[str, int]) -> AsyncIterator[Callable[[Login], Settings]]:
    """Start the servers with a tenant per slug, filled with that many runs.

    Yields a function that returns the settings of a process with the given login.
    """
    with TemporaryDirectory(prefix="opsrun-bench-") as name:
        folder = Path(name)
        async with embedded_servers(folder / "servers", durable=False) as servers:
            database = await create_database(servers.postgres_url)
            urls = await provision(database, b"bench")
            async with (
                open_engine(urls[Login.MAINTENANCE]) as engine,
                open_engine(database) as superuser,
            ):
                transactions = Transactions(engine)
                tenants = {await add_tenant(transactions, slug): sizes[slug] for slug in sizes}
                await fill(superuser, tenants)

            def settings(login: Login) -> Settings:
                return settings_for(urls[login], servers.redis_url, folder, **_UNLIMITED)

            yield settings
