"""All SQL about backup sets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Integer, Text, Uuid, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from domain.backups.models import BackedUpPolicy, BackupSet
from domain.tables import backup_set, backup_set_policy, inventory_policy
from domain.tenancy.session import AnyRow, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of, each, first_of_each

_limit = bindparam("limit", type_=Integer())

_CREATE = Statement(
    insert(backup_set)
    .values(
        tenant_id=TENANT,
        **{name: bindparam(name) for name in ("id", "name", "created_by_id", "created_by_name")},
    )
    .on_conflict_do_nothing()
    .returning(backup_set.c.id)
)


async def create(session: TenantSession, name: str, *, created_by_name: str) -> UUID | None:
    """Add an empty set as the member; None if the name is taken."""
    values = {
        "id": uuid4(),
        "name": name,
        "created_by_id": session.user_id,
        "created_by_name": created_by_name,
    }
    return await session.scalar_or_none(_CREATE, values)


_policy_count = (
    select(func.count())
    .where(
        backup_set_policy.c.tenant_id == backup_set.c.tenant_id,
        backup_set_policy.c.backup_set_id == backup_set.c.id,
    )
    .scalar_subquery()
)
_sets = select(backup_set, _policy_count.label("policies")).where(backup_set.c.tenant_id == TENANT)
_set_key = (backup_set.c.created_at, backup_set.c.id)
_after_set = (
    bindparam("after_time", type_=DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
)
_page = _sets.order_by(*(c.desc() for c in _set_key)).limit(_limit)
_FIRST_PAGE = Statement(_page)
_PAGE_AFTER = Statement(_page.where(tuple_(*_set_key) < tuple_(*_after_set)))
_BY_IDS = Statement(_sets.where(any_of(backup_set.c.id, "ids")))


def _set(row: AnyRow) -> BackupSet:
    return BackupSet(
        row.tenant_id, row.id, row.name, row.created_by_name, row.created_at, row.policies
    )


async def page(
    session: TenantSession, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[BackupSet]:
    """Return a page of the sets, newest first."""
    values: dict[str, Any] = {"limit": limit}
    if after is not None:
        values["after_time"], values["after_id"] = after
    rows = await session.rows(_FIRST_PAGE if after is None else _PAGE_AFTER, values)
    return [_set(row) for row in rows]


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, BackupSet]:
    """Return the tenant's sets with these ids."""
    return {row.id: _set(row) for row in await session.rows(_BY_IDS, {"ids": ids})}


_copy = backup_set_policy.c
_copy_key = (_copy.name, _copy.scope_key, _copy.policy_id)
_after_copy = (bindparam(f"after_{c.name}", type_=c.type) for c in _copy_key)
_of_set = each(_copy.backup_set_id)
_copies = select(backup_set_policy).where(
    _copy.tenant_id == TENANT, _copy.backup_set_id == _of_set.c.backup_set_id
)
_FIRST_COPIES = first_of_each(_of_set, _copies, _copy_key)
_COPIES_AFTER = first_of_each(
    _of_set, _copies.where(tuple_(*_copy_key) > tuple_(*_after_copy)), _copy_key
)


async def policies(
    session: TenantSession,
    backup_set_ids: Sequence[UUID],
    *,
    after: tuple[str, str, str] | None,
    limit: int,
) -> Mapping[UUID, Sequence[BackedUpPolicy]]:
    """Return the first copies in each set, by name."""
    values: dict[str, Any] = {"backup_set_id": backup_set_ids, "limit": limit}
    if after is not None:
        values["after_name"], values["after_scope_key"], values["after_policy_id"] = after
    pages: dict[UUID, list[BackedUpPolicy]] = {}
    for row in await session.rows(_FIRST_COPIES if after is None else _COPIES_AFTER, values):
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


_source = (
    inventory_policy.c.tenant_id == TENANT,
    inventory_policy.c.run_id == bindparam("run_id"),
    any_of(inventory_policy.c.policy_id, "policy_ids"),
)
_PRESENT = Statement(select(inventory_policy.c.policy_id).where(*_source))
_same = ("tenant_id", "policy_id", "name", "policy_type", "document_hash")
_COPY = Statement(
    insert(backup_set_policy)
    .from_select(
        [*_same, "backup_set_id", "scope_key"],
        select(
            *(inventory_policy.c[name] for name in _same),
            bindparam("backup_set_id", type_=Uuid()),
            bindparam("scope_key", type_=Text()),
        )
        .where(*_source)
        .order_by(inventory_policy.c.policy_id),
    )
    .on_conflict_do_nothing()
    .returning(backup_set_policy.c.policy_id)
)


async def copy_policies(
    session: TenantSession,
    backup_set_id: UUID,
    *,
    scope_key: str,
    snapshot_run_id: UUID,
    policy_ids: Sequence[str],
) -> tuple[frozenset[str], frozenset[str]]:
    """Copy policies of a snapshot into the set; return (ids in the snapshot, copied ids)."""
    values = {
        "backup_set_id": backup_set_id,
        "scope_key": scope_key,
        "run_id": snapshot_run_id,
        "policy_ids": policy_ids,
    }
    present = await session.scalars(_PRESENT, values)
    copied = await session.scalars(_COPY, values)
    return frozenset(present), frozenset(copied)
