"""All SQL about backup sets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, Text, Uuid, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.backups.models import BackedUpPolicy, BackupSet
from domain.tables import backup_set, backup_set_policy, inventory_policy
from domain.tenancy.models import TenantAccess


def _select_sets(tenant_id: UUID) -> Select[Any]:
    policies = (
        select(func.count())
        .where(
            backup_set_policy.c.tenant_id == backup_set.c.tenant_id,
            backup_set_policy.c.backup_set_id == backup_set.c.id,
        )
        .scalar_subquery()
    )
    return select(backup_set, policies.label("policies")).where(backup_set.c.tenant_id == tenant_id)


def _set(row: Row[*tuple[Any, ...]]) -> BackupSet:
    return BackupSet(
        row.tenant_id, row.id, row.name, row.created_by_name, row.created_at, row.policies
    )


async def create(connection: AsyncConnection, access: TenantAccess, name: str) -> UUID | None:
    """Add an empty set; None when the name is taken."""
    adding = insert(backup_set).values(
        tenant_id=access.tenant_id,
        id=uuid4(),
        name=name,
        created_by_id=access.user_id,
        created_by_name=access.user_name,
    )
    set_id: UUID | None = (
        await connection.execute(adding.on_conflict_do_nothing().returning(backup_set.c.id))
    ).scalar_one_or_none()
    return set_id


async def page(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[BackupSet]:
    """Return the sets, the newest first."""
    key = (backup_set.c.created_at, backup_set.c.id)
    query = _select_sets(tenant_id).order_by(*(c.desc() for c in key)).limit(limit)
    if after is not None:
        query = query.where(tuple_(*key) < tuple_(*after))
    return [_set(row) for row in await connection.execute(query)]


async def by_ids(
    connection: AsyncConnection, tenant_id: UUID, ids: Sequence[UUID]
) -> Sequence[BackupSet]:
    """Return those of the sets that the tenant has."""
    rows = await connection.execute(_select_sets(tenant_id).where(backup_set.c.id.in_(ids)))
    return [_set(row) for row in rows]


async def policies(
    connection: AsyncConnection,
    tenant_id: UUID,
    backup_set_ids: Sequence[UUID],
    *,
    after: tuple[str, str, str] | None,
    limit: int,
) -> Mapping[UUID, Sequence[BackedUpPolicy]]:
    """Return the first copies in each set by name."""
    table = backup_set_policy.c
    key = (table.name, table.scope_key, table.policy_id)
    place = func.row_number().over(partition_by=table.backup_set_id, order_by=key).label("place")
    query = select(backup_set_policy, place).where(
        table.tenant_id == tenant_id, table.backup_set_id.in_(backup_set_ids)
    )
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    found = query.subquery()
    pages: dict[UUID, list[BackedUpPolicy]] = {}
    for row in await connection.execute(
        select(found).where(found.c.place <= limit).order_by(found.c.place)
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
    connection: AsyncConnection,
    tenant_id: UUID,
    backup_set_id: UUID,
    *,
    scope_key: str,
    snapshot_run_id: UUID,
    policy_ids: Sequence[str],
) -> tuple[frozenset[str], frozenset[str]]:
    """Copy policies of a snapshot into the set; return (ids found there, ids newly copied)."""
    source = (
        inventory_policy.c.tenant_id == tenant_id,
        inventory_policy.c.run_id == snapshot_run_id,
        inventory_policy.c.policy_id.in_(policy_ids),
    )
    found = await connection.execute(select(inventory_policy.c.policy_id).where(*source))
    copied = await connection.execute(
        insert(backup_set_policy)
        .from_select(
            [
                "tenant_id",
                "backup_set_id",
                "scope_key",
                "policy_id",
                "name",
                "policy_type",
                "document_hash",
            ],
            select(
                inventory_policy.c.tenant_id,
                literal(backup_set_id, Uuid),
                literal(scope_key, Text),
                inventory_policy.c.policy_id,
                inventory_policy.c.name,
                inventory_policy.c.policy_type,
                inventory_policy.c.document_hash,
            )
            .where(*source)
            .order_by(inventory_policy.c.policy_id),
        )
        .on_conflict_do_nothing()
        .returning(backup_set_policy.c.policy_id)
    )
    return frozenset(found.scalars()), frozenset(copied.scalars())
