"""Open transactions: the only objects that run a statement.

`Transactions` makes every session, so its connection belongs to the tenant and the user for whom
row level security was set.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Executable, Row, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TypedReturnsRows

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


# The type of SQL as text comes from the caller's annotation.
OneColumn = TypedReturnsRows[T] | TextClause


@dataclass(frozen=True, slots=True)
class Session:
    """An open transaction; the block that opened it commits it or rolls it back."""

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

    async def scalar(self, statement: "OneColumn[T]", parameters: Parameters | None = None) -> T:
        """Run a statement and return the value of its only row."""
        value: T = (await self._connection.execute(statement, parameters)).scalar_one()
        return value

    async def scalar_or_none(self, statement: "OneColumn[T]") -> T | None:
        """Run a statement and return the value of its only row, or None without a row."""
        return (await self._connection.execute(statement)).scalar_one_or_none()

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

    The maintenance login sees every tenant. Any other login sees only the rows of the session's
    user, and the tables that belong to no tenant.
    """

    def within(self, tenant_id: UUID) -> TenantSession:
        """Return the same transaction for one tenant; only maintenance uses it."""
        return TenantSession(self._connection, tenant_id)
