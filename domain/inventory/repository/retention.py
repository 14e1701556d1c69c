"""All SQL about runs and documents past retention."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from domain.inventory.models import RUN_TYPE
from domain.lifecycle import StatusBucket
from domain.tables import (
    backup_set_policy,
    directory_group,
    group_member,
    inventory_policy,
    inventory_scope,
    operation_run,
    policy_document,
    tenant,
)
from domain.tenancy.repository import next_tenants
from domain.tenancy.session import InstallationSession, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of

_now = func.clock_timestamp()
_limit = bindparam("limit", type_=Integer())

# The current snapshot and its baseline.
_PINNED = 2


def _is_pinned() -> ColumnElement[bool]:
    """Return the condition that a run is among the newest snapshots of a scope."""
    run, newer = operation_run.c, operation_run.alias("newer").c
    # A literal, because the index's predicate does not match a parameter.
    succeeded = literal(StatusBucket.SUCCEEDED.value, literal_execute=True)
    newer_ones = (
        select(newer.id)
        .where(
            newer.tenant_id == run.tenant_id,
            newer.run_type == run.run_type,
            newer.subject == run.subject,
            newer.status_bucket == succeeded,
            tuple_(newer.created_at, newer.id) > tuple_(run.created_at, run.id),
        )
        .limit(_PINNED)
        .correlate(operation_run)
        .subquery()
    )
    return and_(
        run.run_type == RUN_TYPE,
        run.status_bucket == succeeded,
        exists().where(
            inventory_scope.c.tenant_id == run.tenant_id, inventory_scope.c.key == run.subject
        ),
        select(func.count()).select_from(newer_ones).scalar_subquery() < _PINNED,
    )


# The transaction's time, because a volatile one does not bound an index scan.
_kept_from = func.now() - func.make_interval(0, 0, 0, tenant.c.retention_days)
_expired = (
    select(operation_run.c.id)
    .where(
        operation_run.c.tenant_id == tenant.c.id,
        operation_run.c.finished_at < _kept_from,
        ~_is_pinned(),
    )
    .order_by(operation_run.c.finished_at)
)
_expired_of_tenant = (
    _expired.limit(_limit).with_for_update(skip_locked=True, of=operation_run).lateral("expired")
)
_EXPIRED = Statement(
    select(_expired_of_tenant.c.id)
    .select_from(tenant.join(_expired_of_tenant, true()))
    .where(tenant.c.id == TENANT)
)
_NEXT_TENANTS = Statement(
    # One step of each index for a tenant, and some for each snapshot that is kept past retention.
    next_tenants(
        tenant.c.id,
        or_(
            exists(_expired.limit(1)),
            *(
                exists().where(table.c.tenant_id == tenant.c.id, table.c.is_removed)
                for table in (directory_group, group_member)
            ),
        ).label("is_due"),
    )
)


async def next_to_purge(
    session: InstallationSession, *, after: UUID, limit: int
) -> Sequence[tuple[UUID, bool]]:
    """Return the next tenants, in the order of ids.

    Also returns whether each has runs past retention, or removed groups or members.
    """
    rows = await session.rows(_NEXT_TENANTS, {"after": after, "limit": limit})
    return [(row.id, row.is_due) for row in rows]


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
