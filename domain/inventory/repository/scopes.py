"""All SQL about scopes and their current snapshots."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects.postgresql import insert

from domain.inventory.models import RUN_TYPE, InventoryScope
from domain.lifecycle import StatusBucket
from domain.tables import inventory_scope, operation_run
from domain.tenancy.session import TenantSession


def select_snapshots(session: TenantSession, scope_key: ColumnElement[str] | str) -> Select[Any]:
    """Select the ids of the syncs of a scope that succeeded, newest first."""
    return (
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == session.tenant_id,
            operation_run.c.run_type == RUN_TYPE,
            operation_run.c.subject == scope_key,
            operation_run.c.status_bucket == StatusBucket.SUCCEEDED.value,
        )
        .order_by(operation_run.c.created_at.desc(), operation_run.c.id.desc())
    )


async def snapshot_runs(session: TenantSession, scope_key: str, limit: int) -> Sequence[UUID]:
    """Return the runs of a scope's newest snapshots, the current one first."""
    return await session.scalars(select_snapshots(session, scope_key).limit(limit))


async def save_scopes(session: TenantSession, scope_keys: Sequence[str]) -> None:
    """Record the scopes that the provider has now."""
    if not scope_keys:
        return
    adding = insert(inventory_scope).values(
        [{"tenant_id": session.tenant_id, "key": key} for key in sorted(scope_keys)]
    )
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=[inventory_scope.c.tenant_id, inventory_scope.c.key],
            set_={"last_seen_at": func.clock_timestamp()},
        )
    )


async def scopes(session: TenantSession) -> Sequence[InventoryScope]:
    """Return the tenant's scopes by key, each with its current snapshot."""
    newest = select_snapshots(session, inventory_scope.c.key).limit(1).scalar_subquery()
    rows = await session.rows(
        select(inventory_scope, newest.label("snapshot"))
        .where(inventory_scope.c.tenant_id == session.tenant_id)
        .order_by(inventory_scope.c.key)
    )
    return [InventoryScope(row.tenant_id, row.key, row.last_seen_at, row.snapshot) for row in rows]


async def scope_exists(session: TenantSession, scope_key: str) -> bool:
    """Return whether the provider has, or once had, the scope."""
    scope = inventory_scope.c
    query = select(scope.key).where(scope.tenant_id == session.tenant_id, scope.key == scope_key)
    return await session.one_or_none(query) is not None
