"""All SQL about runs and documents past retention."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    bindparam,
    delete,
    exists,
    func,
    select,
    true,
)

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
from domain.tenancy.statements import TENANT, Statement, any_of

_now = func.clock_timestamp()
_limit = bindparam("limit", type_=Integer())

# A scalar, not a column of a join, so that it bounds the index scan.
_kept_from = (
    select(_now - func.make_interval(0, 0, 0, tenant.c.retention_days))
    .where(tenant.c.id == TENANT)
    .scalar_subquery()
)
_newest = select_snapshots(inventory_scope.c.key, 2).lateral()
_pinned = (
    select(_newest.c.id)
    .select_from(inventory_scope.join(_newest, true()))
    .where(inventory_scope.c.tenant_id == TENANT)
)
_EXPIRED = Statement(
    select(operation_run.c.id)
    .where(
        operation_run.c.tenant_id == TENANT,
        operation_run.c.finished_at < _kept_from,
        operation_run.c.id.not_in(_pinned),
    )
    .order_by(operation_run.c.finished_at)
    .limit(_limit)
    .with_for_update(skip_locked=True, of=operation_run)
)


async def expired_runs(session: TenantSession, *, limit: int) -> Sequence[UUID]:
    """Lock finished runs past retention, except each scope's current snapshot and baseline."""
    return await session.scalars(_EXPIRED, {"limit": limit})


def _refers(table: Any) -> ColumnElement[bool]:
    return exists().where(
        table.c.tenant_id == policy_document.c.tenant_id,
        table.c.document_hash == policy_document.c.hash,
    )


_UNUSED = Statement(
    select(policy_document.c.hash)
    .where(
        policy_document.c.tenant_id == TENANT,
        policy_document.c.stored_at < _now - bindparam("unused_for", type_=Interval()),
        ~_refers(inventory_policy),
        ~_refers(backup_set_policy),
    )
    .limit(_limit)
    .with_for_update(skip_locked=True)
)
_DELETE_DOCUMENTS = Statement(
    delete(policy_document).where(
        policy_document.c.tenant_id == TENANT,
        any_of(policy_document.c.hash, "hashes"),
    )
)


async def collect_documents(session: TenantSession, *, unused_for: timedelta, limit: int) -> int:
    """Delete one batch of unused documents; return how many."""
    hashes = await session.scalars(_UNUSED, {"unused_for": unused_for, "limit": limit})
    return await session.execute(_DELETE_DOCUMENTS, {"hashes": hashes})
