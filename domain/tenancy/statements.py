"""SQLAlchemy's statements as text for the driver."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Dialect,
    Executable,
    Integer,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

_DIALECT: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]

TENANT: BindParameter[UUID] = bindparam("session_tenant_id", type_=Uuid(), required=True)
"""The tenant of the session; the session supplies it."""
MEMBER: BindParameter[UUID | None] = bindparam("session_user_id", type_=Uuid(), required=True)
"""The user of the session, or None; the session supplies it."""


class Statement:
    """A statement that is compiled once, when its module is imported:

        _BY_ID = Statement(select(run).where(run.c.tenant_id == TENANT, run.c.id == _ID))
        row = await session.one_or_none(_BY_ID, {"id": run_id})

    A session compiles any other statement of SQLAlchemy each time it runs, which takes longer than
    most queries.
    """

    __slots__ = ("_encoders", "_names", "_values", "text")

    def __init__(self, statement: Executable) -> None:
        compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        required = {name: None for name, bind in compiled.binds.items() if bind.required}
        state = compiled.construct_expanded_state(required, escape_names=False)
        self.text: str = state.statement
        self._names: tuple[str, ...] = tuple(state.positiontup or ())
        self._values = {
            name: state.parameters[name] for name in self._names if name not in required
        }
        encoders = {
            name: bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
            for name, bind in compiled.binds.items()
        }
        self._encoders = {
            name: encode for name, encode in encoders.items() if encode and name in self._names
        }

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the driver's arguments; names that the statement lacks are ignored.

        Raises:
            KeyError: the statement needs another parameter.
        """
        values = {**self._values, **parameters}
        for name, encode in self._encoders.items():
            values[name] = encode(values[name])
        return [values[name] for name in self._names]


def any_of(source: ColumnClause[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values of an array, a parameter."""
    return source == any_(array_of(source, name))


def each(*columns: ColumnClause[Any]) -> TableValuedAlias:
    """Return rows that parameters supply: for each column, an array with the column's name.

    The rows have the order of the arrays, which all have one length.
    """
    arrays = (array_of(source, source.name) for source in columns)
    rows = func.unnest(*arrays).table_valued(*(column(c.name, c.type) for c in columns))
    return rows.render_derived()


def first_of_each(
    keys: TableValuedAlias, query: Select[Any], order: Sequence[ColumnClause[Any]]
) -> Statement:
    """Return the statement for the first rows that the query has for each of `keys`, in order.

    The parameter `limit` is the most rows for each. Postgres sorts the rows of each key by
    themselves and keeps only the first ones.
    """
    limit = bindparam("limit", type_=Integer())
    part = query.order_by(*order).limit(limit).correlate(keys).lateral()
    return Statement(
        select(part).select_from(keys, part).order_by(*(part.c[c.name] for c in order))
    )


def array_of(source: ColumnClause[Any], name: str) -> BindParameter[Any]:
    """Return a parameter that is an array of a column's values."""
    return bindparam(name, type_=ARRAY(source.type))


def entering(answer: Select[Any]) -> Statement:
    """Return the statement that enters its session's tenant, then changes rows, then answers.

    `answer` selects from changes: updates and inserts as CTEs. Postgres runs a change when the
    answer reads its rows, or after the answer. The answer can only run for a row of `setting`, so
    after the settings, as in `confined`. The statement needs no transaction around it.
    """
    setting = select(
        *(
            func.set_config(f"opsrun.{name}", func.coalesce(cast(id_, Text), ""), true()).label(
                name
            )
            for name, id_ in (("tenant_id", TENANT), ("user_id", MEMBER))
        )
    ).subquery("setting")
    rows = answer.subquery("query")
    confined_rows = (
        select(rows)
        .where(*(name.is_not(None) for name in setting.c))
        .offset(literal_column("0"))
        .correlate(setting)
        .lateral("answer")
    )
    return Statement(select(confined_rows).select_from(setting.join(confined_rows, true())))


def confined(
    text: str, arguments: Sequence[Any], tenant_id: UUID | None, user_id: UUID | None
) -> tuple[str, list[Any]]:
    """Make a query set the tenant and the user for its transaction before it reads anything.

    The query can only run for a row of `setting`, so after the settings. Postgres drops them with
    the transaction. If it ever read first, row level security would hide every row.
    """
    return _confined_text(text, len(arguments)), [*arguments, *_settings(tenant_id, user_id)]


def _settings(*ids: UUID | None) -> list[str]:
    return ["" if id_ is None else str(id_) for id_ in ids]


def _setting_text(arguments: int) -> str:
    """Return the query that sets the tenant and the user to the parameters after `arguments`."""
    return (
        f"SELECT set_config('opsrun.tenant_id', ${arguments + 1}, true) AS tenant,"
        f" set_config('opsrun.user_id', ${arguments + 2}, true) AS member"
    )


@lru_cache(maxsize=1000)
def _confined_text(text: str, arguments: int) -> str:
    # OFFSET 0 keeps the planner from moving the query out of its place in the join.
    return (
        f"SELECT answer.* FROM ({_setting_text(arguments)}"  # noqa: S608 - that of a statement
        f") AS setting CROSS JOIN LATERAL (SELECT query.* FROM ({text}) AS query"
        " WHERE setting.tenant IS NOT NULL AND setting.member IS NOT NULL OFFSET 0) AS answer"
    )


class TenantVersion(NamedTuple):
    """The transactions that last wrote a tenant's row and the row of its feed (`xmin`).

    A replica has the same rows. Each change of runs writes the feed's row last, and keeps it
    locked until the commit. So a tenant has the same runs on two servers with the same version.
    The feed's epoch tells the histories before and after a restore apart.
    """

    feed: int
    tenant: int
    epoch: UUID


_VERSION = (
    "SELECT feed.xmin AS feed, tenant.xmin AS tenant, feed.epoch FROM opsrun.tenant_feed AS feed"
    " JOIN opsrun.tenant ON tenant.id = feed.tenant_id WHERE feed.tenant_id = "
)
VERSION = Statement(text(f"{_VERSION}:{TENANT.key}").bindparams(TENANT))
"""Reads the `TenantVersion`; no row if the tenant is deleted."""
NO_RUN = Statement(text(f"SELECT FROM opsrun.operation_run WHERE tenant_id = '{UUID(int=0)}'"))
"""Finds no run, but waits for the table if another transaction has locked it."""


def confined_at(
    query: str,
    arguments: Sequence[Any],
    tenant_id: UUID,
    user_id: UUID | None,
    version: TenantVersion,
) -> tuple[str, list[Any]]:
    """Make a query run only on a replica with this version of the tenant; see `confined`.

    Each row has three more columns: `is_standby`, `has_version` and, if that is true, `is_row`.
    Without rows, the answer is one row in which `is_row` is null.
    """
    settings = _settings(tenant_id, user_id)
    return _text_at(query, len(arguments)), [*arguments, *settings, *version]


@lru_cache(maxsize=1000)
def _text_at(query: str, arguments: int) -> str:
    # A promoted server has left the primary's history.
    return (
        "SELECT answer.*, replica.is_standby, replica.has_version"  # noqa: S608 - that of a statement
        f" FROM ({_setting_text(arguments)}"
        ") AS setting CROSS JOIN LATERAL (SELECT pg_is_in_recovery() AS is_standby,"
        " pg_is_in_recovery() AND EXISTS ("
        f"SELECT FROM ({_VERSION} CAST(setting.tenant AS uuid)) AS version"
        f" WHERE version.feed = ${arguments + 3} AND version.tenant = ${arguments + 4}"
        f" AND version.epoch = ${arguments + 5}"
        ") AS has_version WHERE setting.member IS NOT NULL OFFSET 0) AS replica"
        f" LEFT JOIN LATERAL (SELECT query.*, true AS is_row FROM ({query}) AS query"
        " WHERE replica.has_version OFFSET 0) AS answer ON true"
    )
