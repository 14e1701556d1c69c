"""All SQL about scopes and their current snapshots."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from domain.inventory.models import RUN_TYPE, InventoryScope
from domain.lifecycle import StatusBucket
from domain.tables import inventory_scope, operation_run
from domain.tenancy.session import Session, TenantSession
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


# Maintenance finds the same scopes every few seconds, and each write costs a row version.
_SEEN_AGAIN_AFTER = timedelta(minutes=1)
_scope = each(inventory_scope.c.tenant_id, inventory_scope.c.key)
_now = func.clock_timestamp()
_SAVE = Statement(
    insert(inventory_scope)
    .from_select(
        ["tenant_id", "key"],
        # Also a conflict that updates nothing would lock the row, and so write it.
        select(*_scope.c).where(
            ~exists().where(
                inventory_scope.c.tenant_id == _scope.c.tenant_id,
                inventory_scope.c.key == _scope.c.key,
                inventory_scope.c.last_seen_at > _now - _SEEN_AGAIN_AFTER,
            )
        ),
    )
    .on_conflict_do_update(
        index_elements=[inventory_scope.c.tenant_id, inventory_scope.c.key],
        set_={"last_seen_at": _now},
    )
)


async def save_scopes(session: Session, keys_of: Mapping[UUID, Sequence[str]]) -> None:
    """Record the scopes that the providers of some tenants have now."""
    # In one order, so that two processes never wait for each other in a circle.
    rows = sorted((tenant_id, key) for tenant_id, some in keys_of.items() for key in some)
    if rows:
        tenant_ids, keys = zip(*rows, strict=True)
        await session.execute(_SAVE, {"tenant_id": tenant_ids, "key": keys})


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
