"""What a transaction lets a repository see: the only objects that run a statement.

`Transactions` makes every session, so a connection always goes with the tenant and the user that
row level security was set to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection

AnyRow = Row[*tuple[Any, ...]]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Session:
    """An open transaction; commits and rolls back with the block that opened it."""

    _connection: AsyncConnection = field(repr=False)

    async def rows(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Sequence[AnyRow]:
        """Run a statement and return all of its rows."""
        return (await self._connection.execute(statement, parameters)).all()

    async def one(self, statement: Executable, parameters: Parameters | None = None) -> AnyRow:
        """Run a statement and return its only row; raise unless there is exactly one."""
        return (await self._connection.execute(statement, parameters)).one()

    async def one_or_none(self, statement: Executable) -> AnyRow | None:
        """Run a statement and return its only row, or None without a row."""
        return (await self._connection.execute(statement)).one_or_none()

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """Run a statement and return the first column of its only row."""
        return (await self.one(statement, parameters))[0]

    async def scalar_or_none(self, statement: Executable) -> Any:
        """Run a statement and return the first column of its only row, or None without a row."""
        row = await self.one_or_none(statement)
        return row[0] if row else None

    async def scalars(self, statement: Executable) -> Sequence[Any]:
        """Run a statement and return the first column of all of its rows."""
        return (await self._connection.execute(statement)).scalars().all()

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> int:
        """Run a statement that returns no rows; return how many rows it changed."""
        return (await self._connection.execute(statement, parameters)).rowcount


@dataclass(frozen=True, slots=True)
class TenantSession(Session):
    """A transaction in one tenant, as one of its members if `user_id` is set."""

    tenant_id: UUID
    user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class InstallationSession(Session):
    """A transaction in no tenant.

    The maintenance login sees every tenant in it. Any other login sees only the rows of the user
    it was opened for, and the tables that belong to no tenant.
    """

    def within(self, tenant_id: UUID) -> TenantSession:
        """Return the same transaction for repositories of one tenant: maintenance alone uses it."""
        return TenantSession(self._connection, tenant_id)
