"""Start Postgres and Valkey with filled tenants."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from sqlalchemy import URL

from bench.cpu import family_cpu_seconds
from bench.filling import fill
from bench.roundtrips import RoundTrips, counted_round_trips
from bench.tenants import add_tenant
from domain.tenancy.transactions import Transactions
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.embedded.child import Child
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.settings import Settings
from tests.conftest import settings_for

# A benchmark sends more requests than a user may.
COST_PER_MINUTE = 10**9


@dataclass(frozen=True, slots=True)
class FilledServers:
    """The running servers, their tenants by slug, and the database's administration."""

    database: URL
    urls: Mapping[Login, str]
    redis_url: str
    folder: Path
    postgres: Child
    valkey: Child
    tenants: Mapping[str, UUID]
    maintenance: Transactions

    @property
    def superuser_url(self) -> str:
        """The URL of the login that row level security does not restrict."""
        return self.database.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def postgres_cpu_seconds(self) -> float:
        """The CPU time that Postgres has used, with all its backends."""
        return family_cpu_seconds(self.postgres.process.pid)

    def counted_round_trips(self) -> AbstractAsyncContextManager[RoundTrips]:
        """Run a proxy to Postgres that counts round trips until the context closes."""
        assert self.database.host is not None
        assert self.database.port is not None
        return counted_round_trips(self.database.host, self.database.port)

    def settings(self, login: Login) -> Settings:
        """Return the settings of a process with this login."""
        url = self.urls[login]
        return settings_for(url, self.redis_url, self.folder, cost_per_minute=COST_PER_MINUTE)


@asynccontextmanager
async def filled_servers(
    sizes: Mapping[str, int], *, durable: bool = False
) -> AsyncIterator[FilledServers]:
    """Start the servers with a tenant per slug, filled with that many runs.

    With `durable`, a commit waits until it is on the disk.
    """
    with TemporaryDirectory(prefix="opsrun-bench-") as name:
        folder = Path(name)
        async with embedded_servers(folder / "servers", durable=durable) as servers:
            database = await create_database(servers.postgres_url)
            urls = await provision(database, b"bench")
            async with (
                open_engine(urls[Login.MAINTENANCE]) as engine,
                open_engine(database) as superuser,
            ):
                maintenance = Transactions(engine)
                tenants = {slug: await add_tenant(maintenance, slug) for slug in sizes}
                await fill(superuser, {tenants[slug]: runs for slug, runs in sizes.items()})
                yield FilledServers(
                    database,
                    urls,
                    servers.redis_url,
                    folder,
                    *servers.children,
                    tenants,
                    maintenance,
                )
