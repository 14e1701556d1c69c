"""All SQL about scopes and their current snapshots."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from domain.inventory.models import RUN_TYPE, InventoryScope
from domain.lifecycle import StatusBucket
from domain.tables import inventory_scope, operation_run
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, each

# A literal, because the index's predicate does not match a parameter.
_SUCCEEDED = literal(StatusBucket.SUCCEEDED.value, literal_execute=True)


def select_snapshots(scope_key: ColumnElement[str], limit: int) -> Select[Any]:
    """Select the ids of the newest syncs of a scope that succeeded, newest first."""
    return (
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == TENANT,
            operation_run.c.run_type == RUN_TYPE,
            operation_run.c.subject == scope_key,
            operation_run.c.status_bucket == _SUCCEEDED,
        )
        .order_by(operation_run.c.created_at.desc(), operation_run.c.id.desc())
        # A literal, because the server guesses too many rows for a parameter, and keeps no plan.
        .limit(literal(limit, literal_execute=True))
    )


@lru_cache(maxsize=10)
def _snapshots(limit: int) -> Statement:
    return Statement(select_snapshots(bindparam("scope_key"), limit))


async def snapshot_runs(session: TenantSession, scope_key: str, limit: int) -> Sequence[UUID]:
    """Return the runs of a scope's newest snapshots, the current one first."""
    return await session.scalars(_snapshots(limit), {"scope_key": scope_key})


_scope = each(inventory_scope.c.key)
_SAVE = Statement(
    insert(inventory_scope)
    .from_select(["tenant_id", "key"], select(TENANT, _scope.c.key))
    .on_conflict_do_update(
        index_elements=[inventory_scope.c.tenant_id, inventory_scope.c.key],
        set_={"last_seen_at": func.clock_timestamp()},
    )
)


async def save_scopes(session: TenantSession, scope_keys: Sequence[str]) -> None:
    """Record the scopes that the provider has now."""
    if scope_keys:
        await session.execute(_SAVE, {"key": sorted(scope_keys)})


_SCOPES = Statement(
    select(
        inventory_scope,
        select_snapshots(inventory_scope.c.key, 1).scalar_subquery().label("snapshot"),
    )
    .where(inventory_scope.c.tenant_id == TENANT)
    .order_by(inventory_scope.c.key)
)


async def scopes(session: TenantSession) -> Sequence[InventoryScope]:
    """Return the tenant's scopes by key, each with its current snapshot."""
    rows = await session.rows(_SCOPES)
    return [InventoryScope(row.tenant_id, row.key, row.last_seen_at, row.snapshot) for row in rows]


_SCOPE = Statement(
    select(inventory_scope.c.key).where(
        inventory_scope.c.tenant_id == TENANT, inventory_scope.c.key == bindparam("key")
    )
)


async def scope_exists(session: TenantSession, scope_key: str) -> bool:
    """Return whether the provider has, or once had, the scope."""
    return await session.one_or_none(_SCOPE, {"key": scope_key}) is not None
