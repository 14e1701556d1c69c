"""Outages of the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.tenancy.session import DatabaseUnavailableError, Driver
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login
from opsrun.postgres.url import parse_url


class Fragile(Transactions):
    """Transactions of a database that is unavailable while `down` is set."""

    down = False

    @asynccontextmanager
    async def _connection(self, key: UUID | None) -> AsyncIterator[Driver]:
        if self.down:
            raise DatabaseUnavailableError("the server closed the connection")
        async with super()._connection(key) as driver:
            yield driver


class Server:
    """The database server, controlled as its administrator can."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def break_connections(self, login: Login = Login.WORKER) -> None:
        """Terminate every connection of the login, as a failover does."""
        await self._execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE usename = '{login}'"
        )

    @asynccontextmanager
    async def closed_to_workers(self) -> AsyncIterator[None]:
        """Refuse the workers every connection, as a server does while it starts."""
        await self._execute("ALTER ROLE opsrun_worker CONNECTION LIMIT 0")
        await self.break_connections()
        try:
            yield
        finally:
            await self._execute("ALTER ROLE opsrun_worker CONNECTION LIMIT -1")

    @asynccontextmanager
    async def changed_password(self, login_url: str) -> AsyncIterator[None]:
        """Change the password of this URL's login, and restore it afterwards."""
        url = parse_url(login_url)
        login = Login(url.username or "")
        await self._execute(f"ALTER ROLE {login} PASSWORD 'rotated'")
        await self.break_connections(login)
        try:
            yield
        finally:
            await self._execute(f"ALTER ROLE {login} PASSWORD '{url.password}'")

    async def _execute(self, sql: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(text(sql))
