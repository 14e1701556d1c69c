"""The reads of groups and their members, each with one statement for any number of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Text, bindparam, func, select, tuple_

from domain.groups.models import Group, GroupMember, GroupMemberKind, LastGroupSync
from domain.tables import directory_group, group_member, group_sync
from domain.tenancy.session import AnyRow, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of, each, first_of_each

_stored = directory_group.c
_group = select(
    _stored.tenant_id, _stored.group_id, _stored.name, _stored.synced_by, _stored.synced_at
).where(_stored.tenant_id == TENANT, ~_stored.is_removed)
_member = group_member.c
_of_tenant = (_member.tenant_id == TENANT, ~_member.is_removed)


def _group_of(row: AnyRow) -> Group:
    return Group(row.tenant_id, row.group_id, row.name, row.synced_by, row.synced_at)


_key = (_stored.name, _stored.group_id)
_after = tuple_(*(bindparam(f"after_{c.name}", type_=Text()) for c in _key))
_page = _group.order_by(*_key).limit(bindparam("limit", type_=Integer()))
_matches = func.strpos(func.lower(_stored.name), func.lower(bindparam("search", type_=Text()))) > 0
# By whether there is a cursor, and whether there is a search.
_PAGES = {
    (False, False): Statement(_page),
    (False, True): Statement(_page.where(_matches)),
    (True, False): Statement(_page.where(tuple_(*_key) > _after)),
    (True, True): Statement(_page.where(tuple_(*_key) > _after, _matches)),
}


async def page(
    session: TenantSession, search: str, *, after: tuple[str, str] | None, limit: int
) -> Sequence[Group]:
    """Return the first groups whose name contains the text in any case, by name and id."""
    values: dict[str, Any] = {"search": search, "limit": limit}
    if after is not None:
        values["after_name"], values["after_group_id"] = after
    rows = await session.rows(_PAGES[after is not None, bool(search)], values)
    return [_group_of(row) for row in rows]


_BY_IDS = Statement(_group.where(any_of(_stored.group_id, "group_ids")))


async def by_ids(session: TenantSession, group_ids: Sequence[str]) -> Mapping[str, Group]:
    """Return the groups with these ids."""
    rows = await session.rows(_BY_IDS, {"group_ids": group_ids})
    return {row.group_id: _group_of(row) for row in rows}


async def by_id_sets(
    session: TenantSession, id_sets: Sequence[frozenset[str]]
) -> Mapping[frozenset[str], Sequence[Group]]:
    """Return the known groups of each set of ids, by name."""
    known = await by_ids(session, sorted(frozenset().union(*id_sets)))
    groups = sorted(known.values(), key=lambda group: (group.name, group.group_id))
    return {ids: [group for group in groups if group.group_id in ids] for ids in id_sets}


_COUNT = Statement(select(func.count()).where(_stored.tenant_id == TENANT, ~_stored.is_removed))


async def counts(session: TenantSession, tenant_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return the number of the tenant's groups; the only id is the session's."""
    return dict.fromkeys(tenant_ids, await session.scalar(_COUNT))


_MEMBER_COUNTS = Statement(
    select(_member.group_id, func.count().label("members"))
    .where(*_of_tenant, any_of(_member.group_id, "group_ids"))
    .group_by(_member.group_id)
)


async def member_counts(session: TenantSession, group_ids: Sequence[str]) -> Mapping[str, int]:
    """Return the number of direct members of each group that has any."""
    rows = await session.rows(_MEMBER_COUNTS, {"group_ids": group_ids})
    return {row.group_id: row.members for row in rows}


_of_groups = each(_member.group_id)
_members = select(_member.group_id, _member.member_id, _member.kind).where(
    *_of_tenant, _member.group_id == _of_groups.c.group_id
)
_FIRST_MEMBERS = first_of_each(_of_groups, _members, [_member.member_id])
_MEMBERS_AFTER = first_of_each(
    _of_groups,
    _members.where(_member.member_id > bindparam("after", type_=Text())),
    [_member.member_id],
)


async def members(
    session: TenantSession, group_ids: Sequence[str], *, after: str | None, limit: int
) -> Mapping[str, Sequence[GroupMember]]:
    """Return the first direct members of each group, by id."""
    statement = _FIRST_MEMBERS if after is None else _MEMBERS_AFTER
    values = {"group_id": group_ids, "after": after, "limit": limit}
    pages: dict[str, list[GroupMember]] = {}
    for row in await session.rows(statement, values):
        member = GroupMember(row.group_id, row.member_id, GroupMemberKind(row.kind))
        pages.setdefault(row.group_id, []).append(member)
    return pages


_LAST = Statement(
    select(group_sync.c.ended_by, group_sync.c.ended_at).where(
        group_sync.c.tenant_id == TENANT, group_sync.c.ended_at.is_not(None)
    )
)


async def last_syncs(
    session: TenantSession, tenant_ids: Sequence[UUID]
) -> Mapping[UUID, LastGroupSync]:
    """Return the last sync that reached the end, if any; the only id is the session's."""
    row = await session.one_or_none(_LAST)
    return {} if row is None else dict.fromkeys(tenant_ids, LastGroupSync(*row))
