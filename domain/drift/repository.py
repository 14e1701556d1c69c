"""All SQL about drift findings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

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
from domain.tenancy.statements import TENANT, Statement, any_of, each, first_of_each

_stored = drift_finding.c
_pair = (_stored.baseline_run_id, _stored.current_run_id)

_KNOWN = Statement(
    select(_stored.policy_id).where(
        _stored.tenant_id == TENANT, any_of(_stored.fingerprint, "fingerprint")
    )
)

_new = each(
    _stored.fingerprint,
    _stored.policy_id,
    _stored.policy_name,
    _stored.policy_type,
    _stored.kind,
    column("changes", Text()),
)
_same_in_all = (_stored.run_id, _stored.scope_key, *_pair)
_adding = insert(drift_finding).from_select(
    ["tenant_id", "id", *(c.name for c in _same_in_all), *_new.c.keys()],
    select(
        TENANT,
        func.gen_random_uuid(),
        *(bindparam(c.name, type_=c.type) for c in _same_in_all),
        *(cast(c, JSONB) if c.name == "changes" else c for c in _new.c),
    ),
)
_ADD = Statement(
    _adding.on_conflict_do_update(
        index_elements=[_stored.tenant_id, _stored.fingerprint],
        set_={"run_id": _adding.excluded.run_id},
    )
)


async def add(
    session: TenantSession, run_id: UUID, comparison: Comparison, findings: Sequence[NewFinding]
) -> frozenset[str]:
    """Write each finding once; return the policy ids of the new findings.

    A known finding moves to the newest run that found it, so that retention deletes it with the
    last run that shows it.
    """
    if not findings:
        return frozenset()
    values = {
        **asdict(comparison),
        "run_id": run_id,
        "fingerprint": [fingerprint(comparison, finding) for finding in findings],
        "policy_id": [finding.policy_id for finding in findings],
        "policy_name": [finding.policy_name for finding in findings],
        "policy_type": [finding.policy_type for finding in findings],
        "kind": [finding.kind for finding in findings],
        "changes": [orjson.dumps(finding.changes).decode() for finding in findings],
    }
    known = frozenset(await session.scalars(_KNOWN, values))
    await session.execute(_ADD, values)
    return frozenset(values["policy_id"]) - known


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


_compared = each(*_pair)
_of_compared = (_stored.tenant_id == TENANT, *(c == _compared.c[c.name] for c in _pair))


def _pairs(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return each pair of runs once, although comparisons may name different scopes for it."""
    pairs = {(c.baseline_run_id, c.current_run_id) for c in comparisons}
    return {
        "baseline_run_id": [baseline for baseline, _ in pairs],
        "current_run_id": [current for _, current in pairs],
    }


_key = (_stored.policy_name, _stored.id)
_after = (bindparam("after_name", type_=Text()), bindparam("after_id", type_=Uuid()))
_kinds = bindparam("kinds", type_=ARRAY(Text()))
_findings = select(drift_finding).where(
    *_of_compared,
    # Without kinds, all of them.
    or_(func.cardinality(_kinds) == 0, _stored.kind == any_(_kinds)),
)
_FIRST_PAGES = first_of_each(_compared, _findings, _key)
_PAGES_AFTER = first_of_each(_compared, _findings.where(tuple_(*_key) > tuple_(*_after)), _key)


async def pages(
    session: TenantSession,
    comparisons: Sequence[Comparison],
    *,
    kinds: frozenset[DriftKind],
    after: tuple[str, UUID] | None,
    limit: int,
) -> Mapping[Comparison, Sequence[DriftFinding]]:
    """Return the first findings of each comparison, by policy name."""
    values = _pairs(comparisons) | {"kinds": sorted(kinds), "limit": limit}
    if after is not None:
        values["after_name"], values["after_id"] = after
    pages: dict[Comparison, list[DriftFinding]] = {}
    for row in await session.rows(_FIRST_PAGES if after is None else _PAGES_AFTER, values):
        finding = _finding(row)
        pages.setdefault(finding.comparison, []).append(finding)
    return pages


_BY_IDS = Statement(
    select(drift_finding).where(_stored.tenant_id == TENANT, any_of(_stored.id, "ids"))
)


async def by_ids(session: TenantSession, ids: Sequence[UUID]) -> Mapping[UUID, DriftFinding]:
    """Return the tenant's findings with these ids."""
    return {row.id: _finding(row) for row in await session.rows(_BY_IDS, {"ids": ids})}


_counted = (_stored.scope_key, *_pair, _stored.kind)
_COUNTS = Statement(
    select(*_counted, func.count().label("findings")).where(*_of_compared).group_by(*_counted)
)


async def counts(
    session: TenantSession, comparisons: Sequence[Comparison]
) -> Mapping[Comparison, Mapping[DriftKind, int]]:
    """Return the number of findings of each kind in each comparison."""
    counted: dict[Comparison, dict[DriftKind, int]] = {}
    for row in await session.rows(_COUNTS, _pairs(comparisons)):
        comparison = Comparison(row.scope_key, row.baseline_run_id, row.current_run_id)
        counted.setdefault(comparison, {})[DriftKind(row.kind)] = row.findings
    return counted
