"""All SQL about scopes, snapshots and policy documents."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.inventory.models import (
    RUN_TYPE,
    InventoryScope,
    Policy,
    PolicyDifference,
    PolicyRecord,
)
from domain.lifecycle import StatusBucket
from domain.tables import (
    backup_set_policy,
    inventory_policy,
    inventory_scope,
    operation_run,
    policy_document,
)


def _snapshots(scope_key: ColumnElement[str] | str, tenant_id: UUID) -> Select[Any]:
    return (
        select(operation_run.c.id)
        .where(
            operation_run.c.tenant_id == tenant_id,
            operation_run.c.run_type == RUN_TYPE,
            operation_run.c.subject == scope_key,
            operation_run.c.status_bucket == StatusBucket.SUCCEEDED.value,
        )
        .order_by(operation_run.c.created_at.desc(), operation_run.c.id.desc())
    )


async def snapshot_runs(
    connection: AsyncConnection, tenant_id: UUID, scope_key: str, limit: int
) -> Sequence[UUID]:
    """Return the newest whole snapshots of a scope, the current one first."""
    return list((await connection.execute(_snapshots(scope_key, tenant_id).limit(limit))).scalars())


def pinned_runs(tenant_id: UUID) -> Select[Any]:
    """Select the syncs that retention must spare: each scope's current snapshot and baseline."""
    newest = _snapshots(inventory_scope.c.key, tenant_id).limit(2).lateral()
    return (
        select(inventory_scope.c.tenant_id, newest.c.id)
        .select_from(inventory_scope.join(newest, true()))
        .where(inventory_scope.c.tenant_id == tenant_id)
    )


async def save_scopes(
    connection: AsyncConnection, tenant_id: UUID, scope_keys: Sequence[str]
) -> None:
    """Remember that these scopes exist now."""
    if not scope_keys:
        return
    adding = insert(inventory_scope).values(
        [{"tenant_id": tenant_id, "key": key} for key in sorted(scope_keys)]
    )
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=[inventory_scope.c.tenant_id, inventory_scope.c.key],
            set_={"last_seen_at": func.clock_timestamp()},
        )
    )


async def scopes(connection: AsyncConnection, tenant_id: UUID) -> Sequence[InventoryScope]:
    """Return the tenant's scopes by key, each with its current snapshot."""
    newest = _snapshots(inventory_scope.c.key, tenant_id).limit(1).scalar_subquery()
    rows = await connection.execute(
        select(inventory_scope, newest.label("snapshot"))
        .where(inventory_scope.c.tenant_id == tenant_id)
        .order_by(inventory_scope.c.key)
    )
    return [InventoryScope(row.tenant_id, row.key, row.last_seen_at, row.snapshot) for row in rows]


async def scope_exists(connection: AsyncConnection, tenant_id: UUID, scope_key: str) -> bool:
    """Return whether the provider has or had the scope."""
    scope = inventory_scope.c
    row = await connection.execute(
        select(scope.key).where(scope.tenant_id == tenant_id, scope.key == scope_key)
    )
    return row.one_or_none() is not None


async def current_policy_count(connection: AsyncConnection, tenant_id: UUID, scope_key: str) -> int:
    """Return how many policies the scope's current snapshot has; 0 without a snapshot."""
    runs = await snapshot_runs(connection, tenant_id, scope_key, 1)
    return sum((await policy_counts(connection, tenant_id, runs)).values())


async def store_documents(
    connection: AsyncConnection, tenant_id: UUID, documents: Mapping[bytes, str]
) -> None:
    """Store whole policies, each as its JSON under its hash, for a snapshot to refer to."""
    if not documents:
        return
    adding = insert(policy_document).values(
        [
            {"tenant_id": tenant_id, "hash": key, "body": cast(literal(documents[key]), JSONB)}
            for key in sorted(documents)
        ]
    )
    # The update holds off the collector of unreferenced documents until a snapshot refers to it.
    await connection.execute(
        adding.on_conflict_do_update(
            index_elements=[policy_document.c.tenant_id, policy_document.c.hash],
            set_={"stored_at": func.clock_timestamp()},
        )
    )


async def store(
    connection: AsyncConnection, tenant_id: UUID, run_id: UUID, records: Sequence[PolicyRecord]
) -> frozenset[str]:
    """Add policies to a run's snapshot; return the ids that the snapshot did not have yet."""
    if not records:
        return frozenset()
    added = await connection.execute(
        insert(inventory_policy)
        .values(
            [
                {
                    "tenant_id": tenant_id,
                    "run_id": run_id,
                    "policy_id": record.policy_id,
                    "item_key": record.key,
                    "name": record.name,
                    "policy_type": record.policy_type,
                    "content_hash": record.content_hash,
                    "document_hash": record.document_hash,
                }
                for record in records
            ]
        )
        .on_conflict_do_nothing()
        .returning(inventory_policy.c.policy_id)
    )
    return frozenset(added.scalars())


def _select_policies(tenant_id: UUID) -> Select[Any]:
    return (
        select(
            inventory_policy.c.tenant_id,
            inventory_policy.c.run_id,
            inventory_policy.c.policy_id,
            inventory_policy.c.name,
            inventory_policy.c.policy_type,
            operation_run.c.subject,
        )
        .join(
            operation_run,
            and_(
                operation_run.c.tenant_id == inventory_policy.c.tenant_id,
                operation_run.c.id == inventory_policy.c.run_id,
            ),
        )
        .where(inventory_policy.c.tenant_id == tenant_id)
    )


def _policy(row: Row[*tuple[Any, ...]]) -> Policy:
    return Policy(row.tenant_id, row.subject, row.run_id, row.policy_id, row.name, row.policy_type)


async def page(
    connection: AsyncConnection,
    tenant_id: UUID,
    run_id: UUID,
    *,
    after: tuple[str, str] | None,
    limit: int,
) -> Sequence[Policy]:
    """Return the policies of a snapshot by name and id."""
    key = (inventory_policy.c.name, inventory_policy.c.policy_id)
    query = (
        _select_policies(tenant_id)
        .where(inventory_policy.c.run_id == run_id)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    return [_policy(row) for row in await connection.execute(query)]


async def current_policies(
    connection: AsyncConnection, tenant_id: UUID, keys: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], Policy]:
    """Return policies by (scope key, policy id) from the current snapshots of their scopes."""
    scope_keys = sorted({scope_key for scope_key, _ in keys})
    newest = {
        scope_key: run_ids[0]
        for scope_key in scope_keys
        if (run_ids := await snapshot_runs(connection, tenant_id, scope_key, 1))
    }
    wanted = [(newest[scope], policy_id) for scope, policy_id in keys if scope in newest]
    rows = await connection.execute(
        _select_policies(tenant_id).where(
            tuple_(inventory_policy.c.run_id, inventory_policy.c.policy_id).in_(wanted)
        )
    )
    return {(row.subject, row.policy_id): _policy(row) for row in rows}


async def policy_counts(
    connection: AsyncConnection, tenant_id: UUID, run_ids: Sequence[UUID]
) -> Mapping[UUID, int]:
    """Return how many policies the snapshot of each run holds."""
    rows = await connection.execute(
        select(inventory_policy.c.run_id, func.count().label("policies"))
        .where(inventory_policy.c.tenant_id == tenant_id, inventory_policy.c.run_id.in_(run_ids))
        .group_by(inventory_policy.c.run_id)
    )
    return {row.run_id: row.policies for row in rows}


async def differences(
    connection: AsyncConnection, tenant_id: UUID, baseline: UUID, current: UUID
) -> Sequence[PolicyDifference]:
    """Return the policies whose content hashes differ, by policy id; reads no document."""

    def side(run_id: UUID) -> Any:
        return (
            select(inventory_policy)
            .where(inventory_policy.c.tenant_id == tenant_id, inventory_policy.c.run_id == run_id)
            .subquery()
        )

    old, new = side(baseline), side(current)
    policy_id = func.coalesce(new.c.policy_id, old.c.policy_id)
    rows = await connection.execute(
        select(
            policy_id.label("policy_id"),
            func.coalesce(new.c.name, old.c.name).label("name"),
            func.coalesce(new.c.policy_type, old.c.policy_type).label("policy_type"),
            old.c.document_hash.label("old"),
            new.c.document_hash.label("new"),
        )
        .select_from(old.join(new, new.c.policy_id == old.c.policy_id, full=True))
        .where(old.c.content_hash.is_distinct_from(new.c.content_hash))
        .order_by(policy_id)
    )
    return [
        PolicyDifference(row.policy_id, row.name, row.policy_type, row.old, row.new) for row in rows
    ]


async def documents(
    connection: AsyncConnection, tenant_id: UUID, hashes: Sequence[bytes]
) -> Mapping[bytes, Mapping[str, Any]]:
    """Return the documents with these hashes."""
    rows = await connection.execute(
        select(policy_document.c.hash, policy_document.c.body).where(
            policy_document.c.tenant_id == tenant_id, policy_document.c.hash.in_(hashes)
        )
    )
    return {row.hash: row.body for row in rows}


async def collect_documents(
    connection: AsyncConnection, tenant_id: UUID, *, unused_for: timedelta, limit: int
) -> int:
    """Delete one batch of documents that nothing refers to any more; return how many."""

    def refers(table: Any) -> ColumnElement[bool]:
        return exists().where(
            table.c.tenant_id == policy_document.c.tenant_id,
            table.c.document_hash == policy_document.c.hash,
        )

    unused = (
        select(policy_document.c.hash)
        .where(
            policy_document.c.tenant_id == tenant_id,
            policy_document.c.stored_at < func.clock_timestamp() - unused_for,
            ~refers(inventory_policy),
            ~refers(backup_set_policy),
        )
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    hashes = list((await connection.execute(unused)).scalars())
    await connection.execute(
        delete(policy_document).where(
            policy_document.c.tenant_id == tenant_id, policy_document.c.hash.in_(hashes)
        )
    )
    return len(hashes)
