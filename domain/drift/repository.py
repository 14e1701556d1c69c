"""All SQL about drift findings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from domain.drift.models import (
    ChangeKind,
    Comparison,
    DriftFinding,
    DriftKind,
    NewFinding,
    SettingChange,
    fingerprint,
)
from domain.inventory.content import exact_numbers
from domain.tables import drift_finding
from domain.tenancy.session import AnyRow, TenantSession

_PAIR = (drift_finding.c.baseline_run_id, drift_finding.c.current_run_id)


def _of(session: TenantSession, comparisons: Sequence[Comparison]) -> ColumnElement[bool]:
    pairs = [(c.baseline_run_id, c.current_run_id) for c in comparisons]
    return and_(drift_finding.c.tenant_id == session.tenant_id, tuple_(*_PAIR).in_(pairs))


async def add(
    session: TenantSession, run_id: UUID, comparison: Comparison, findings: Sequence[NewFinding]
) -> frozenset[str]:
    """Write each finding once; return the policy ids of the new findings.

    A known finding moves to the newest run that found it, so that retention deletes it with the
    last run that shows it.
    """
    if not findings:
        return frozenset()
    adding = insert(drift_finding).values(
        [
            {
                "tenant_id": session.tenant_id,
                "id": uuid4(),
                "run_id": run_id,
                "fingerprint": fingerprint(comparison, finding),
                **asdict(comparison),
                **asdict(finding),
            }
            for finding in findings
        ]
    )
    before = select(drift_finding.c.policy_id).where(
        drift_finding.c.tenant_id == session.tenant_id,
        drift_finding.c.fingerprint.in_([fingerprint(comparison, f) for f in findings]),
    )
    known = frozenset(await session.scalars(before))
    await session.execute(
        adding.on_conflict_do_update(
            index_elements=[drift_finding.c.tenant_id, drift_finding.c.fingerprint],
            set_={"run_id": run_id},
        )
    )
    return frozenset(finding.policy_id for finding in findings) - known


def _finding(row: AnyRow) -> DriftFinding:
    return DriftFinding(
        tenant_id=row.tenant_id,
        id=row.id,
        comparison=Comparison(row.scope_key, row.baseline_run_id, row.current_run_id),
        policy_id=row.policy_id,
        policy_name=row.policy_name,
        policy_type=row.policy_type,
        kind=DriftKind(row.kind),
        changes=[_change(change) for change in row.changes],
        found_at=row.found_at,
    )


def _change(stored: Mapping[str, Any]) -> SettingChange:
    return SettingChange(
        stored["path"],
        ChangeKind(stored["change"]),
        exact_numbers(stored["old"]),
        exact_numbers(stored["new"]),
        stored["is_secret"],
    )


async def pages(
    session: TenantSession,
    comparisons: Sequence[Comparison],
    *,
    kinds: frozenset[DriftKind],
    after: tuple[str, UUID] | None,
    limit: int,
) -> Mapping[Comparison, Sequence[DriftFinding]]:
    """Return the first findings of each comparison, by policy name."""
    key = (drift_finding.c.policy_name, drift_finding.c.id)
    place = func.row_number().over(partition_by=_PAIR, order_by=key).label("place")
    query = select(drift_finding, place).where(_of(session, comparisons))
    if kinds:
        query = query.where(drift_finding.c.kind.in_(sorted(kinds)))
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after))
    numbered = query.subquery()
    pages: dict[Comparison, list[DriftFinding]] = {}
    for row in await session.rows(
        select(numbered).where(numbered.c.place <= limit).order_by(numbered.c.place)
    ):
        finding = _finding(row)
        pages.setdefault(finding.comparison, []).append(finding)
    return pages


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, DriftFinding]:
    """Return the tenant's findings with these ids."""
    rows = await session.rows(
        select(drift_finding).where(
            drift_finding.c.tenant_id == session.tenant_id, drift_finding.c.id.in_(ids)
        )
    )
    return {row.id: _finding(row) for row in rows}


async def counts(
    session: TenantSession, comparisons: Sequence[Comparison]
) -> Mapping[Comparison, Mapping[DriftKind, int]]:
    """Return the number of findings of each kind in each comparison."""
    rows = await session.rows(
        select(
            drift_finding.c.scope_key, *_PAIR, drift_finding.c.kind, func.count().label("findings")
        )
        .where(_of(session, comparisons))
        .group_by(drift_finding.c.scope_key, *_PAIR, drift_finding.c.kind)
    )
    counted: dict[Comparison, dict[DriftKind, int]] = {}
    for row in rows:
        comparison = Comparison(row.scope_key, row.baseline_run_id, row.current_run_id)
        counted.setdefault(comparison, {})[DriftKind(row.kind)] = row.findings
    return counted
