"""The changes of groups that a sync makes, a page at a time, and the position after it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from domain.groups.models import GroupChange, Position, group_ids
from domain.tables import directory_group, group_member, group_sync
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of, each

_now = func.clock_timestamp()
_run = bindparam("run_id", type_=Uuid())
_generation = bindparam("generation", type_=BigInteger())
_limit = bindparam("limit", type_=Integer())
_group, _member, _position = directory_group.c, group_member.c, group_sync.c
_stored_groups, _stored_members = _group.tenant_id == TENANT, _member.tenant_id == TENANT

_POSITION = Statement(
    select(
        _position.generation,
        _position.source,
        _position.path,
        _position.is_full,
        _position.has_gaps,
        _position.begun_by,
    ).where(_position.tenant_id == TENANT)
)


async def position(session: TenantSession) -> Position | None:
    """Return the tenant's position; None before the first sync."""
    row = await session.one_or_none(_POSITION)
    return None if row is None else Position(*row)


_begun = {
    "generation": _generation + 1,
    "source": bindparam("source", type_=Text()),
    "path": null(),
    "is_full": literal(True),
    "has_gaps": literal(False),
    "begun_by": _run,
}
_BEGIN = Statement(
    insert(group_sync)
    .values(tenant_id=TENANT, **_begun)
    .on_conflict_do_update(
        index_elements=[_position.tenant_id],
        set_=_begun,
        where=_position.generation == _generation,
    )
)


async def begin(
    session: TenantSession, run_id: UUID, position: Position | None, source: str
) -> None:
    """Begin to read all of a source, unless another run has begun since the position was read."""
    generation = 0 if position is None else position.generation
    values = {"run_id": run_id, "generation": generation, "source": source}
    await session.execute(_BEGIN, values)


_here = (
    _position.tenant_id == TENANT,
    _position.generation == _generation,
    _position.path.is_not_distinct_from(bindparam("path", type_=Text())),
)
_MOVE = Statement(
    update(group_sync)
    .values(
        path=bindparam("next_path", type_=Text()),
        has_gaps=or_(_position.has_gaps, bindparam("new_gaps", type_=Boolean())),
    )
    .where(*_here)
)


async def move(
    session: TenantSession, position: Position, next_path: str, *, has_gaps: bool
) -> bool:
    """Move the tenant's position; return False if another run moved it from here already."""
    values = {
        "generation": position.generation,
        "path": position.path,
        "next_path": next_path,
        "new_gaps": has_gaps,
    }
    return await session.execute(_MOVE, values) == 1


_END = Statement(
    update(group_sync).values(is_full=literal(False), ended_by=_run, ended_at=_now).where(*_here)
)


async def end(session: TenantSession, run_id: UUID, position: Position) -> None:
    """Record that the run read everything up to the position."""
    values = {"run_id": run_id, "generation": position.generation, "path": position.path}
    await session.execute(_END, values)


_seen = {"generation": _generation, "is_removed": literal(False)}
_new_group = each(_group.group_id, _group.name)
_adding = insert(directory_group).from_select(
    ["tenant_id", *_new_group.c.keys(), "generation", "synced_by"],
    select(TENANT, *_new_group.c, _generation, _run),
)
_PUT_GROUPS = Statement(
    _adding.on_conflict_do_update(
        index_elements=[_group.tenant_id, _group.group_id],
        set_={
            **_seen,
            # An entry about members alone may leave out the name.
            "name": func.coalesce(func.nullif(_adding.excluded.name, ""), _group.name),
            "synced_by": _run,
            "synced_at": _now,
        },
    )
)
_new_member = each(_member.group_id, _member.member_id, _member.kind)
_joining = insert(group_member).from_select(
    ["tenant_id", *_new_member.c.keys(), "generation"],
    select(TENANT, *_new_member.c, _generation),
)
_JOIN = Statement(
    _joining.on_conflict_do_update(
        index_elements=[_member.tenant_id, _member.group_id, _member.member_id],
        set_={**_seen, "kind": _joining.excluded.kind},
    )
)
_left = each(_member.group_id, _member.member_id)
_LEAVE = Statement(
    update(group_member)
    .values(is_removed=literal(True))
    .where(_stored_members, *(_member[c.name] == c for c in _left.c))
)
_REMOVE_GROUPS = Statement(
    update(directory_group)
    .values(is_removed=literal(True), synced_by=_run, synced_at=_now)
    .where(_stored_groups, ~_group.is_removed, any_of(_group.group_id, "removed"))
    .returning(_group.group_id)
)
_REMOVE_MEMBERS = Statement(
    update(group_member)
    .values(is_removed=literal(True))
    .where(_stored_members, ~_member.is_removed, any_of(_member.group_id, "emptied"))
)
_KEEP_GROUPS = Statement(
    update(directory_group)
    .values(generation=_generation)
    .where(_stored_groups, any_of(_group.group_id, "kept"))
)
_KEEP_MEMBERS = Statement(
    update(group_member)
    .values(generation=_generation)
    .where(_stored_members, any_of(_member.group_id, "kept"))
)


async def apply(
    session: TenantSession, run_id: UUID, generation: int, changes: Mapping[str, GroupChange]
) -> frozenset[str]:
    """Store the changes of a page; return the ids of the groups that were stored and are gone.

    A group whose change cannot be stored stays as it is.
    """
    present, removed = (group_ids(changes, present=is_present) for is_present in (True, False))
    stored = [(key, changes[key]) for key in present]
    joined = [
        (key, member_id, kind)
        for key, change in stored
        for member_id, kind in sorted(change.members.items())
        if kind is not None
    ]
    left = [
        (key, member_id)
        for key, change in stored
        for member_id, kind in change.members.items()
        if kind is None
    ]
    shared = {"run_id": run_id, "generation": generation}
    gone: frozenset[str] = frozenset()
    if emptied := [*removed, *(key for key, change in stored if change.was_removed)]:
        await session.execute(_REMOVE_MEMBERS, {"emptied": emptied})
        gone = frozenset(await session.scalars(_REMOVE_GROUPS, {**shared, "removed": removed}))
    if stored:
        names = [change.name or "" for _, change in stored]
        await session.execute(_PUT_GROUPS, {**shared, "group_id": present, "name": names})
    if left:
        await session.execute(_LEAVE, _arrays(("group_id", "member_id"), left))
    if joined:
        arrays = _arrays(("group_id", "member_id", "kind"), joined)
        await session.execute(_JOIN, {**shared, **arrays})
    if kept := [key for key, change in changes.items() if change.failure is not None]:
        await session.execute(_KEEP_GROUPS, {**shared, "kept": kept})
        await session.execute(_KEEP_MEMBERS, {**shared, "kept": kept})
    return gone


def _arrays(names: tuple[str, ...], rows: list[Any]) -> dict[str, Any]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


_group_key = (_group.tenant_id, _group.group_id)
_member_key = (_member.tenant_id, _member.group_id, _member.member_id)


def _unseen(table: Any, key: Any) -> Statement:
    some = select(*key).where(
        table.c.tenant_id == TENANT, table.c.generation < _generation, ~table.c.is_removed
    )
    return Statement(
        update(table)
        .values(is_removed=literal(True))
        .where(tuple_(*key).in_(some.limit(_limit).with_for_update()))
    )


_REMOVE_UNSEEN = (_unseen(group_member, _member_key), _unseen(directory_group, _group_key))


async def remove_unseen(session: TenantSession, generation: int, *, limit: int) -> int:
    """Remove some of what no sync of this generation saw, members first; return how many."""
    removed = 0
    for statement in _REMOVE_UNSEEN:
        values = {"generation": generation, "limit": limit - removed}
        removed += await session.execute(statement, values)
    return removed


def _purging(table: Any, key: Any, *conditions: ColumnElement[bool]) -> Statement:
    some = select(*key).where(table.c.tenant_id == TENANT, table.c.is_removed, *conditions)
    locked = some.limit(_limit).with_for_update(skip_locked=True)
    return Statement(delete(table).where(tuple_(*key).in_(locked)))


_PURGE = (_purging(group_member, _member_key), _purging(directory_group, _group_key))


async def purge(session: TenantSession, *, limit: int) -> int:
    """Delete some of what is marked as removed, members first; return how many."""
    purged = 0
    for statement in _PURGE:
        purged += await session.execute(statement, {"limit": limit - purged})
    return purged
