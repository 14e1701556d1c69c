"""All SQL about snapshots and policy documents."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert

from domain.inventory.models import Policy, PolicyDifference, PolicyRecord
from domain.inventory.repository.scopes import snapshot_runs
from domain.inventory.scopes import normal_scope_key
from domain.tables import inventory_policy, operation_run, policy_document
from domain.tenancy.session import AnyRow, TenantSession


async def current_policy_count(session: TenantSession, scope_key: str) -> int:
    """Return the number of policies in the scope's current snapshot; 0 without one."""
    runs = await snapshot_runs(session, scope_key, 1)
    return sum((await policy_counts(session, runs)).values())


async def store_documents(session: TenantSession, documents: Mapping[bytes, str]) -> None:
    """Store documents as JSON by hash, before a snapshot refers to them."""
    if not documents:
        return
    adding = insert(policy_document).values(
        [
            {
                "tenant_id": session.tenant_id,
                "hash": key,
                "body": cast(literal(documents[key]), JSONB),
            }
            for key in sorted(documents)
        ]
    )
    # The new time protects a known document until the snapshot refers to it.
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=[policy_document.c.tenant_id, policy_document.c.hash],
            set_={"stored_at": func.clock_timestamp()},
        )
    )


async def store(
    session: TenantSession, run_id: UUID, records: Sequence[PolicyRecord]
) -> frozenset[str]:
    """Add policies to a run's snapshot; return the ids that are new in it."""
    if not records:
        return frozenset()
    added = await session.scalars(
        insert(inventory_policy)
        .values(
            [
                {
                    "tenant_id": session.tenant_id,
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
    return frozenset(added)


def _select_policies(session: TenantSession) -> Select[Any]:
    return (
        select(inventory_policy, operation_run.c.subject)
        .join(
            operation_run,
            and_(
                operation_run.c.tenant_id == inventory_policy.c.tenant_id,
                operation_run.c.id == inventory_policy.c.run_id,
            ),
        )
        .where(inventory_policy.c.tenant_id == session.tenant_id)
    )


def _policy(row: AnyRow) -> Policy:
    return Policy(row.tenant_id, row.subject, row.run_id, row.policy_id, row.name, row.policy_type)


async def page(
    session: TenantSession, run_id: UUID, *, after: tuple[str, str] | None, limit: int
) -> Sequence[Policy]:
    """Return a page of a snapshot, by name and id."""
    key = (inventory_policy.c.name, inventory_policy.c.policy_id)
    query = (
        _select_policies(session)
        .where(inventory_policy.c.run_id == run_id)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    return [_policy(row) for row in await session.rows(query)]


async def current_page(
    session: TenantSession, scope_key: str, *, after: tuple[str, str] | None, limit: int
) -> Sequence[Policy]:
    """Return a page of the scope's current snapshot; empty without one."""
    runs = await snapshot_runs(session, normal_scope_key(scope_key), 1)
    return await page(session, runs[0], after=after, limit=limit) if runs else ()


async def current_policies(
    session: TenantSession, keys: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], Policy]:
    """Return policies by (scope key, policy id) from the current snapshots."""
    scope_keys = sorted({scope_key for scope_key, _ in keys})
    newest = {
        scope_key: run_ids[0]
        for scope_key in scope_keys
        if (run_ids := await snapshot_runs(session, scope_key, 1))
    }
    current = [(newest[scope], policy_id) for scope, policy_id in keys if scope in newest]
    rows = await session.rows(
        _select_policies(session).where(
            tuple_(inventory_policy.c.run_id, inventory_policy.c.policy_id).in_(current)
        )
    )
    return {(row.subject, row.policy_id): _policy(row) for row in rows}


async def policy_counts(session: TenantSession, run_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Return the number of policies in the snapshot of each run that has any."""
    rows = await session.rows(
        select(inventory_policy.c.run_id, func.count().label("policies"))
        .where(
            inventory_policy.c.tenant_id == session.tenant_id,
            inventory_policy.c.run_id.in_(run_ids),
        )
        .group_by(inventory_policy.c.run_id)
    )
    return {row.run_id: row.policies for row in rows}


async def differences(
    session: TenantSession, baseline: UUID, current: UUID
) -> Sequence[PolicyDifference]:
    """Return the policies whose content hashes differ, by policy id; read no documents."""

    def side(run_id: UUID) -> Any:
        return (
            select(inventory_policy)
            .where(
                inventory_policy.c.tenant_id == session.tenant_id,
                inventory_policy.c.run_id == run_id,
            )
            .subquery()
        )

    old, new = side(baseline), side(current)
    policy_id = func.coalesce(new.c.policy_id, old.c.policy_id)
    rows = await session.rows(
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
    session: TenantSession, hashes: Sequence[bytes]
) -> Mapping[bytes, Mapping[str, Any]]:
    """Return the documents with these hashes."""
    rows = await session.rows(
        select(policy_document.c.hash, policy_document.c.body).where(
            policy_document.c.tenant_id == session.tenant_id, policy_document.c.hash.in_(hashes)
        )
    )
    return {row.hash: row.body for row in rows}
