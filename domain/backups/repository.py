"""All SQL about backup sets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, Text, Uuid, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from domain.backups.models import BackedUpPolicy, BackupSet
from domain.tables import backup_set, backup_set_policy, inventory_policy
from domain.tenancy.session import AnyRow, TenantSession


def _select_sets(session: TenantSession) -> Select[Any]:
    policies = (
        select(func.count())
        .where(
            backup_set_policy.c.tenant_id == backup_set.c.tenant_id,
            backup_set_policy.c.backup_set_id == backup_set.c.id,
        )
        .scalar_subquery()
    )
    return select(backup_set, policies.label("policies")).where(
        backup_set.c.tenant_id == session.tenant_id
    )


def _set(row: AnyRow) -> BackupSet:
    return BackupSet(
        row.tenant_id, row.id, row.name, row.created_by_name, row.created_at, row.policies
    )


async def create(session: TenantSession, name: str, *, created_by_name: str) -> UUID | None:
    """Add an empty set as the member; None if the name is taken."""
    adding = insert(backup_set).values(
        tenant_id=session.tenant_id,
        id=uuid4(),
        name=name,
        created_by_id=session.user_id,
        created_by_name=created_by_name,
    )
    return await session.scalar_or_none(adding.on_conflict_do_nothing().returning(backup_set.c.id))


async def page(
    session: TenantSession, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[BackupSet]:
    """Return a page of the sets, newest first."""
    key = (backup_set.c.created_at, backup_set.c.id)
    query = _select_sets(session).order_by(*(c.desc() for c in key)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*key) < tuple_(*after))
    return [_set(row) for row in await session.rows(query)]


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, BackupSet]:
    """Return the tenant's sets with these ids."""
    rows = await session.rows(_select_sets(session).where(backup_set.c.id.in_(ids)))
    return {row.id: _set(row) for row in rows}


async def policies(
    session: TenantSession,
    backup_set_ids: Sequence[UUID],
    *,
    after: tuple[str, str, str] | None,
    limit: int,
) -> Mapping[UUID, Sequence[BackedUpPolicy]]:
    """Return the first copies in each set, by name."""
    table = backup_set_policy.c
    key = (table.name, table.scope_key, table.policy_id)
    place = func.row_number().over(partition_by=table.backup_set_id, order_by=key).label("place")
    query = select(backup_set_policy, place).where(
        table.tenant_id == session.tenant_id, table.backup_set_id.in_(backup_set_ids)
    )
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    numbered = query.subquery()
    pages: dict[UUID, list[BackedUpPolicy]] = {}
    for row in await session.rows(
        select(numbered).where(numbered.c.place <= limit).order_by(numbered.c.place)
    ):
        pages.setdefault(row.backup_set_id, []).append(
            BackedUpPolicy(
                row.tenant_id,
                row.backup_set_id,
                row.scope_key,
                row.policy_id,
                row.name,
                row.policy_type,
                row.added_at,
            )
        )
    return pages


async def copy_policies(
    session: TenantSession,
    backup_set_id: UUID,
    *,
    scope_key: str,
    snapshot_run_id: UUID,
    policy_ids: Sequence[str],
) -> tuple[frozenset[str], frozenset[str]]:
    """Copy policies of a snapshot into the set; return (ids in the snapshot, copied ids)."""
    source = (
        inventory_policy.c.tenant_id == session.tenant_id,
        inventory_policy.c.run_id == snapshot_run_id,
        inventory_policy.c.policy_id.in_(policy_ids),
    )
    present = await session.scalars(select(inventory_policy.c.policy_id).where(*source))
    same = ("tenant_id", "policy_id", "name", "policy_type", "document_hash")
    copies = (
        select(
            *(inventory_policy.c[name] for name in same),
            literal(backup_set_id, Uuid).label("backup_set_id"),
            literal(scope_key, Text).label("scope_key"),
        )
        .where(*source)
        .order_by(inventory_policy.c.policy_id)
    )
    copied = await session.scalars(
        insert(backup_set_policy)
        .from_select(copies.selected_columns.keys(), copies)
        .on_conflict_do_nothing()
        .returning(backup_set_policy.c.policy_id)
    )
    return frozenset(present), frozenset(copied)
