"""All SQL about snapshots and policy documents."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    func,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from domain.inventory.models import Policy, PolicyDifference, PolicyFormat, PolicyRecord
from domain.inventory.repository.scopes import select_snapshots, snapshot_runs
from domain.inventory.scopes import normal_scope_key
from domain.tables import inventory_policy, operation_run, policy_document
from domain.tenancy.session import AnyRow, TenantSession
from domain.tenancy.statements import TENANT, Statement, any_of, each


async def current_policy_count(session: TenantSession, scope_key: str) -> int:
    """Return the number of policies in the scope's current snapshot; 0 without one."""
    runs = await snapshot_runs(session, scope_key, 1)
    return sum((await policy_counts(session, runs)).values())


_document = each(policy_document.c.hash, column("body", Text()))
_STORE_DOCUMENTS = Statement(
    insert(policy_document)
    .from_select(
        ["tenant_id", "hash", "body"],
        select(TENANT, _document.c.hash, cast(_document.c.body, JSONB)),
    )
    # The new time protects a known document until the snapshot refers to it.
    .on_conflict_do_update(
        index_elements=[policy_document.c.tenant_id, policy_document.c.hash],
        set_={"stored_at": func.clock_timestamp()},
    )
)


async def store_documents(session: TenantSession, documents: Mapping[bytes, str]) -> None:
    """Store documents as JSON by hash, before a snapshot refers to them."""
    if documents:
        # All transactions lock them in one order, so that none waits for another in a circle.
        hashes = sorted(documents)
        values = {"hash": hashes, "body": [documents[key] for key in hashes]}
        await session.execute(_STORE_DOCUMENTS, values)


_policy_columns = inventory_policy.c
_record = each(
    _policy_columns.policy_id,
    _policy_columns.item_key,
    _policy_columns.name,
    _policy_columns.policy_type,
    _policy_columns.content_hash,
    _policy_columns.document_hash,
    _policy_columns.format,
)
_STORE = Statement(
    insert(inventory_policy)
    .from_select(
        ["tenant_id", "run_id", *_record.c.keys()],
        select(TENANT, bindparam("run_id", type_=Uuid()), *_record.c),
    )
    .on_conflict_do_nothing()
    .returning(_policy_columns.policy_id)
)


async def store(
    session: TenantSession, run_id: UUID, records: Sequence[PolicyRecord]
) -> frozenset[str]:
    """Add policies to a run's snapshot; return the ids that are new in it."""
    if not records:
        return frozenset()
    values = {
        "run_id": run_id,
        "policy_id": [record.policy_id for record in records],
        "item_key": [record.key for record in records],
        "name": [record.name for record in records],
        "policy_type": [record.policy_type for record in records],
        "content_hash": [record.content_hash for record in records],
        "document_hash": [record.document_hash for record in records],
        "format": [record.format for record in records],
    }
    return frozenset(await session.scalars(_STORE, values))


_select_policies = (
    select(inventory_policy, operation_run.c.subject)
    .join(
        operation_run,
        and_(
            operation_run.c.tenant_id == inventory_policy.c.tenant_id,
            operation_run.c.id == inventory_policy.c.run_id,
        ),
    )
    .where(inventory_policy.c.tenant_id == TENANT)
)


def _policy(row: AnyRow) -> Policy:
    return Policy(row.tenant_id, row.subject, row.run_id, row.policy_id, row.name, row.policy_type)


_key = (inventory_policy.c.name, inventory_policy.c.policy_id)
_after = (bindparam("after_name", type_=Text()), bindparam("after_id", type_=Text()))
_page = (
    _select_policies.where(
        inventory_policy.c.run_id
        == select_snapshots(bindparam("scope_key"), 1).correlate(None).scalar_subquery()
    )
    .order_by(*_key)
    .limit(bindparam("limit", type_=Integer()))
)
_FIRST_PAGE = Statement(_page)
_PAGE_AFTER = Statement(_page.where(tuple_(*_key) > tuple_(*_after)))


async def current_page(
    session: TenantSession, scope_key: str, *, after: tuple[str, str] | None, limit: int
) -> Sequence[Policy]:
    """Return a page of the scope's current snapshot, by name and id; empty without one."""
    values: dict[str, Any] = {"scope_key": normal_scope_key(scope_key), "limit": limit}
    if after is not None:
        values["after_name"], values["after_id"] = after
    rows = await session.rows(_FIRST_PAGE if after is None else _PAGE_AFTER, values)
    return [_policy(row) for row in rows]


_of_scope = each(operation_run.c.subject, inventory_policy.c.policy_id)
_newest = select_snapshots(_of_scope.c.subject, 1).correlate(_of_scope).lateral()
_CURRENT = Statement(
    _select_policies.join(_of_scope, _of_scope.c.policy_id == inventory_policy.c.policy_id).join(
        _newest, _newest.c.id == inventory_policy.c.run_id
    )
)


async def current_policies(
    session: TenantSession, keys: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], Policy]:
    """Return policies by (scope key, policy id) from the current snapshots."""
    values = {
        "subject": [scope_key for scope_key, _ in keys],
        "policy_id": [policy_id for _, policy_id in keys],
    }
    rows = await session.rows(_CURRENT, values)
    return {(row.subject, row.policy_id): _policy(row) for row in rows}


_COUNTS = Statement(
    select(inventory_policy.c.run_id, func.count().label("policies"))
    .where(
        inventory_policy.c.tenant_id == TENANT,
        any_of(inventory_policy.c.run_id, "run_ids"),
    )
    .group_by(inventory_policy.c.run_id)
)


async def policy_counts(session: TenantSession, run_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return the number of policies in the snapshot of each run that has any."""
    rows = await session.rows(_COUNTS, {"run_ids": run_ids})
    return {row.run_id: row.policies for row in rows}


_FORMATS = Statement(
    select(inventory_policy.c.run_id, inventory_policy.c.format, func.count().label("policies"))
    .where(
        inventory_policy.c.tenant_id == TENANT,
        any_of(inventory_policy.c.run_id, "run_ids"),
    )
    .group_by(inventory_policy.c.run_id, inventory_policy.c.format)
    .order_by(inventory_policy.c.run_id, inventory_policy.c.format)
)


async def format_counts(
    session: TenantSession, run_ids: Sequence[UUID]
) -> Mapping[UUID, Mapping[PolicyFormat, int]]:
    """Return the number of policies by format in the snapshot of each run that has any."""
    counts: dict[UUID, dict[PolicyFormat, int]] = {}
    for row in await session.rows(_FORMATS, {"run_ids": run_ids}):
        counts.setdefault(row.run_id, {})[PolicyFormat(row.format)] = row.policies
    return counts


def _snapshot(run_id: str) -> Select[Any]:
    return select(inventory_policy).where(
        inventory_policy.c.tenant_id == TENANT, inventory_policy.c.run_id == bindparam(run_id)
    )


def _differences(*conditions: ColumnElement[bool]) -> Statement:
    # First find the ids, because the server sorts or hashes whole snapshots for that.
    old, new = (_snapshot(run_id).where(*conditions).subquery() for run_id in _SNAPSHOTS)
    policy_id = func.coalesce(new.c.policy_id, old.c.policy_id).label("policy_id")
    page = (
        select(policy_id, func.count().over().label("left"))
        .select_from(old.join(new, new.c.policy_id == old.c.policy_id, full=True))
        .where(old.c.content_hash.is_distinct_from(new.c.content_hash))
        .order_by(policy_id)
        .limit(bindparam("limit", type_=Integer()))
        .subquery()
    )
    # The limit keeps the server from joining whole snapshots with the page.
    before, after = (
        _snapshot(run_id)
        .where(inventory_policy.c.policy_id == page.c.policy_id)
        .limit(1)
        .correlate(page)
        .lateral()
        for run_id in _SNAPSHOTS
    )
    stored_bytes = (
        select(func.coalesce(func.sum(func.pg_column_size(policy_document.c.body)), 0))
        .where(
            policy_document.c.tenant_id == TENANT,
            policy_document.c.hash.in_([before.c.document_hash, after.c.document_hash]),
        )
        .scalar_subquery()
    )
    return Statement(
        select(
            page,
            func.coalesce(after.c.name, before.c.name).label("name"),
            func.coalesce(after.c.policy_type, before.c.policy_type).label("policy_type"),
            before.c.document_hash.label("old"),
            after.c.document_hash.label("new"),
            stored_bytes.label("stored_bytes"),
        )
        .select_from(page.outerjoin(before, true()).outerjoin(after, true()))
        .order_by(page.c.policy_id)
    )


_SNAPSHOTS = ("baseline", "current")
_FIRST_DIFFERENCES = _differences()
_DIFFERENCES_AFTER = _differences(inventory_policy.c.policy_id > bindparam("after", type_=Text()))


async def differences(
    session: TenantSession, baseline: UUID, current: UUID, *, after: str | None, limit: int
) -> tuple[int, Sequence[PolicyDifference]]:
    """Return the first policies, or the first after an id, whose content hashes differ, by id.

    The number counts all that differ, or all after that id.
    """
    statement = _FIRST_DIFFERENCES if after is None else _DIFFERENCES_AFTER
    values = {"baseline": baseline, "current": current, "after": after, "limit": limit}
    rows = await session.rows(statement, values)
    page = [
        PolicyDifference(
            row.policy_id, row.name, row.policy_type, row.old, row.new, row.stored_bytes
        )
        for row in rows
    ]
    return rows[0].left if rows else 0, page


_DOCUMENTS = Statement(
    select(policy_document.c.hash, cast(policy_document.c.body, Text).label("body")).where(
        policy_document.c.tenant_id == TENANT,
        any_of(policy_document.c.hash, "hashes"),
    )
)


async def documents(session: TenantSession, hashes: Sequence[bytes]) -> Mapping[bytes, str]:
    """Return the documents with these hashes as JSON, because a large one takes long to parse."""
    rows = await session.rows(_DOCUMENTS, {"hashes": hashes})
    return {row.hash: row.body for row in rows}
