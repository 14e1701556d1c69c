"""Which run types are served: those that a running worker knows.

The workers record their types regularly. All times are the database's. The table belongs to no
tenant. If no worker has recorded anything lately, every type counts as served: workers of the
previous release record nothing. Messages then wait in the stream.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, Text, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.tables import worker_run_type
from domain.tenancy.session import InstallationSession, TenantSession
from domain.tenancy.statements import Statement, any_of, each

SERVED_FOR = timedelta(seconds=90)
"""How long a run type counts as served after a worker recorded it."""

_type = worker_run_type.c
_now = func.clock_timestamp()
_is_recent = _type.seen_at > _now - SERVED_FOR


def is_served(run_type: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a run type counts as served."""
    return or_(_some(_type.run_type == run_type, _is_recent), ~any_worker_runs)


def _some(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    rows = select(_type.run_type).where(*conditions)
    return rows.correlate_except(worker_run_type).exists()


served_types = select(_type.run_type).where(_is_recent)
"""The run types that running workers know."""
any_worker_runs = _some(_is_recent)
"""The condition that a worker is running."""


_rows = each(_type.run_type)
_new = upsert(worker_run_type).from_select(
    ["run_type", "seen_at"], select(_rows.c.run_type.cast(Text), _now)
)
_RECORD = Statement(
    _new.on_conflict_do_update(
        index_elements=[_type.run_type], set_={"seen_at": _new.excluded.seen_at}
    )
)


async def record(session: InstallationSession, run_types: Collection[str]) -> None:
    """Record that a running worker knows these run types."""
    # Workers that record at the same time lock the rows in one order.
    await session.execute(_RECORD, {"run_type": sorted(run_types)})


_SERVED = Statement(served_types.where(any_of(_type.run_type, "names")))
_ALL_SERVED = Statement(served_types)


async def served(session: TenantSession, names: Sequence[str]) -> Mapping[str, bool]:
    """Return which of these run types a running worker knows."""
    known = await session.scalars(_SERVED, {"names": names})
    return {name: name in known for name in names}


async def all_served(session: InstallationSession) -> frozenset[str]:
    """Return the run types that running workers know."""
    return frozenset(await session.scalars(_ALL_SERVED))
