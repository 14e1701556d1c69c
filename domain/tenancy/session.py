"""Sessions: the only objects that run a statement.

`Transactions` makes every session, so its connection belongs to the tenant and the user for whom
row level security was set.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from sqlalchemy import Executable, TextClause
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.sql.selectable import TypedReturnsRows

from domain.tenancy.statements import (
    MEMBER,
    TENANT,
    Statement,
    TenantVersion,
    confined,
    confined_at,
)

T = TypeVar("T")
AnyStatement = Statement | Executable
Parameters = Mapping[str, Any]
# The type of SQL as text comes from the caller's annotation.
OneColumn = TypedReturnsRows[T] | TextClause | Statement
Driver: TypeAlias = "asyncpg.Connection[Any]"

_NOTHING: Parameters = {}


class DatabaseUnavailableError(Exception):
    """The database could not be reached, or the connection broke; nothing was committed.

    One exception: if the connection broke during COMMIT, or during a change of one statement, the
    change may be committed. Every write of the ledger can therefore be repeated safely.
    """


class OtherVersionError(Exception):
    """A replica has another version of the tenant than the primary had."""


class RefusedError(Exception):
    """A statement refused a change by leaving out a value that must not be null."""


async def in_time(answer: Awaitable[T]) -> T:
    """Return the driver's answer.

    Raises:
        DatabaseUnavailableError: it timed out; a caller's timeout arrives as a cancellation.
        RefusedError: a value is null that must not be.
    """
    try:
        return await answer
    except asyncpg.NotNullViolationError as error:
        raise RefusedError from error
    except TimeoutError as error:
        raise DatabaseUnavailableError("The database did not answer in time.") from error


class AnyRow(asyncpg.Record):  # type: ignore[misc]  # the driver has no types
    """A row of any statement; its columns are attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class Session:
    """An open transaction; the block that opened it commits it or rolls it back."""

    _driver: Driver = field(repr=False)

    async def rows(
        self, statement: AnyStatement, parameters: Parameters = _NOTHING
    ) -> Sequence[AnyRow]:
        """Run a statement and return all of its rows."""
        text, arguments = self._prepared(statement, parameters)
        rows: list[AnyRow] = await in_time(
            self._driver.fetch(text, *arguments, record_class=AnyRow)
        )
        return rows

    async def one(self, statement: AnyStatement, parameters: Parameters = _NOTHING) -> AnyRow:
        """Run a statement and return its only row; raise unless there is exactly one."""
        row = await self.one_or_none(statement, parameters)
        if row is None:
            raise NoResultFound("The statement returned no row.")
        return row

    async def one_or_none(
        self, statement: AnyStatement, parameters: Parameters = _NOTHING
    ) -> AnyRow | None:
        """Run a statement and return its only row, or None without a row."""
        rows = await self.rows(statement, parameters)
        if len(rows) > 1:
            raise MultipleResultsFound("The statement returned more than one row.")
        return rows[0] if rows else None

    async def scalar(self, statement: "OneColumn[T]", parameters: Parameters = _NOTHING) -> T:
        """Run a statement and return the value of its only row."""
        value: T = (await self.one(statement, parameters))[0]
        return value

    async def scalar_or_none(
        self, statement: "OneColumn[T]", parameters: Parameters = _NOTHING
    ) -> T | None:
        """Run a statement and return the value of its only row, or None without a row."""
        row = await self.one_or_none(statement, parameters)
        return None if row is None else row[0]

    async def scalars(
        self, statement: AnyStatement, parameters: Parameters = _NOTHING
    ) -> Sequence[Any]:
        """Run a statement and return the first column of all of its rows."""
        return [row[0] for row in await self.rows(statement, parameters)]

    async def execute(self, statement: AnyStatement, parameters: Parameters = _NOTHING) -> int:
        """Run a statement that returns no rows; return how many rows it changed."""
        text, arguments = self._prepared(statement, parameters)
        status: str = await in_time(self._driver.execute(text, *arguments))
        count = status.rpartition(" ")[2]
        return int(count) if count.isdecimal() else 0

    def _prepared(
        self, statement: AnyStatement, parameters: Parameters
    ) -> tuple[str, Sequence[Any]]:
        if not isinstance(statement, Statement):
            statement = Statement(statement)
        return statement.text, statement.arguments(parameters)


@dataclass(frozen=True, slots=True)
class TenantSession(Session):
    """A transaction in one tenant, as one of its members if `user_id` is set."""

    tenant_id: UUID
    user_id: UUID | None = None

    def _prepared(
        self, statement: AnyStatement, parameters: Parameters
    ) -> tuple[str, Sequence[Any]]:
        ids = {TENANT.key: self.tenant_id, MEMBER.key: self.user_id}
        return Session._prepared(self, statement, {**ids, **parameters})


@dataclass(frozen=True, slots=True)
class InstallationSession(Session):
    """A transaction in no tenant.

    The maintenance login sees every tenant. Any other login sees only the rows of the session's
    user, and the tables that belong to no tenant.
    """

    def within(self, tenant_id: UUID) -> TenantSession:
        """Return the same transaction for one tenant; only maintenance uses it."""
        return TenantSession(self._driver, tenant_id)


# The two sessions of reads. Each statement is a transaction and enters the tenant by itself, so it
# needs one round trip instead of three.


@dataclass(frozen=True, slots=True)
class TenantRead(TenantSession):
    """Reads in one tenant; each statement sees its own moment, and none can write."""

    def _prepared(
        self, statement: AnyStatement, parameters: Parameters
    ) -> tuple[str, Sequence[Any]]:
        text, arguments = TenantSession._prepared(self, statement, parameters)
        return confined(text, arguments, self.tenant_id, self.user_id)


@dataclass(frozen=True, slots=True)
class ReplicaRead(TenantSession):
    """Reads in one tenant on a replica, which all see one version of the tenant's runs.

    Each statement raises OtherVersionError if the replica has another version, and
    DatabaseUnavailableError if the server is not a standby.
    """

    version: TenantVersion = field(kw_only=True)

    async def rows(
        self, statement: AnyStatement, parameters: Parameters = _NOTHING
    ) -> Sequence[AnyRow]:
        rows = await TenantSession.rows(self, statement, parameters)
        if not rows[0].is_standby:
            raise DatabaseUnavailableError("The server was promoted, so it is not a standby now.")
        if not rows[0].has_version:
            raise OtherVersionError
        return rows if rows[0].is_row else ()

    def _prepared(
        self, statement: AnyStatement, parameters: Parameters
    ) -> tuple[str, Sequence[Any]]:
        text, arguments = TenantSession._prepared(self, statement, parameters)
        return confined_at(text, arguments, self.tenant_id, self.user_id, self.version)


@dataclass(frozen=True, slots=True)
class UserRead(InstallationSession):
    """Reads of what a user sees in no tenant, in the same way."""

    user_id: UUID

    def _prepared(
        self, statement: AnyStatement, parameters: Parameters
    ) -> tuple[str, Sequence[Any]]:
        text, arguments = InstallationSession._prepared(self, statement, parameters)
        return confined(text, arguments, None, self.user_id)
