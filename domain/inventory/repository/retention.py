"""All SQL about runs and documents past retention."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, select, true

from domain.inventory.repository.scopes import select_snapshots
from domain.tables import (
    backup_set_policy,
    inventory_policy,
    inventory_scope,
    operation_run,
    policy_document,
    tenant,
)
from domain.tenancy.session import TenantSession

_now = func.clock_timestamp()


async def expired_runs(session: TenantSession, *, limit: int) -> Sequence[UUID]:
    """Lock finished runs past retention, except each scope's current snapshot and baseline."""
    # A scalar, not a column of a join, so that it bounds the index scan.
    kept_from = (
        select(_now - func.make_interval(0, 0, 0, tenant.c.retention_days))
        .where(tenant.c.id == session.tenant_id)
        .scalar_subquery()
    )
    newest = select_snapshots(session, inventory_scope.c.key).limit(2).lateral()
    pinned = (
        select(newest.c.id)
        .select_from(inventory_scope.join(newest, true()))
        .where(inventory_scope.c.tenant_id == session.tenant_id)
    )
    return await session.scalars(
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == session.tenant_id,
            operation_run.c.finished_at < kept_from,
            operation_run.c.id.not_in(pinned),
        )
        .order_by(operation_run.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=operation_run)
    )


async def collect_documents(session: TenantSession, *, unused_for: timedelta, limit: int) -> int:
    """Delete one batch of unused documents; return how many."""

    def refers(table: Any) -> ColumnElement[bool]:
        return exists().where(
            table.c.tenant_id == policy_document.c.tenant_id,
            table.c.document_hash == policy_document.c.hash,
        )

    hashes = await session.scalars(
        select(policy_document.c.hash)
        .where(
            policy_document.c.tenant_id == session.tenant_id,
            policy_document.c.stored_at < _now - unused_for,
            ~refers(inventory_policy),
            ~refers(backup_set_policy),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await session.execute(
        delete(policy_document).where(
            policy_document.c.tenant_id == session.tenant_id, policy_document.c.hash.in_(hashes)
        )
    )
