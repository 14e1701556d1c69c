"""Drift findings and reports, as clients read them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

import strawberry
from strawberry import UNSET, argument, field
from strawberry.scalars import JSON

from domain.drift import models, repository
from domain.drift.models import RUN_TYPE, ChangeKind, Comparison, DriftKind, ids_in
from domain.errors import BadInputError
from domain.groups.repository.reading import by_id_sets
from domain.runs.repository import reading
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.pages import (
    DEFAULT_PAGE,
    Connection,
    CursorKind,
    PageRequest,
    as_is,
    cursor_parts,
    page_of,
)
from gql.runs.types import OperationRun

FINDINGS = CursorKind[models.DriftFinding, tuple[str, UUID]](
    "findings", encode=lambda row: (row.policy_name, row.id.hex), decode=cursor_parts(str, UUID)
)


@strawberry.type(description="One setting that differs between two snapshots of a policy.")
class SettingChange:
    path: str = field(description="The path of the setting within the policy.")
    change: ChangeKind = field(name="kind", description="What happened to the setting.")
    old: JSON | None = field(
        description="The value in the baseline. Secrets in it are replaced by `[hidden]`."
    )
    new: JSON | None = field(
        description="The current value. Secrets in it are replaced by `[hidden]`."
    )
    is_secret: bool = field(
        description="Whether the setting is a secret. If so, `old` and `new` are null."
    )


@strawberry.type(description="A group that a finding names. Its members are in `Tenant.groups`.")
class NamedGroup:
    group_id: str = field(description="The group's id at the provider.")
    name: str = field(description="The group's display name.")


@strawberry.type(description="One policy that differs between two snapshots.")
class DriftFinding(Node):
    access: strawberry.Private[TenantAccess]
    kind: DriftKind = field(description="What happened to the policy.")
    scope_key: str = field(description="The key of the scope that was compared.")
    policy_id: str = field(description="The policy's id at the provider.")
    policy_name: str = field(description="The policy's display name.")
    policy_type: str = field(description="The policy's type at the provider.")
    changes: list[SettingChange] = field(
        description="The settings that differ, sorted by path. For a policy that was added or"
        " removed, all its settings."
    )
    found_at: datetime = field(description="When a drift run first found it.")

    @classmethod
    def of(cls, finding: models.DriftFinding, access: TenantAccess) -> "DriftFinding":
        return cls(
            access=access,
            id=GlobalId("DriftFinding", finding.tenant_id, finding.id.hex).encode(),
            kind=finding.kind,
            scope_key=finding.comparison.scope_key,
            policy_id=finding.policy_id,
            policy_name=finding.policy_name,
            policy_type=finding.policy_type,
            changes=cast("list[SettingChange]", finding.changes),
            found_at=finding.found_at,
        )

    @field(
        description="The groups whose ids occur in `changes`, as far as a sync of groups has stored"
        " them, sorted by name."
    )
    async def groups(self, info: Info) -> list[NamedGroup]:
        ids = ids_in(cast("Sequence[models.SettingChange]", self.changes))
        known = await info.context.load(by_id_sets, self.access, ids) if ids else None
        return [NamedGroup(group_id=group.group_id, name=group.name) for group in known or ()]


Kinds = Annotated[
    list[DriftKind] | None, argument(description="Return only findings of these kinds.")
]


async def findings_page(
    info: Info,
    access: TenantAccess,
    comparison: Comparison,
    kinds: list[DriftKind] | None,
    first: int | None,
    after: str | None,
) -> Connection[DriftFinding]:
    """Return a page of a comparison's findings by policy name."""
    findings = FINDINGS.of(comparison.baseline_run_id, comparison.current_run_id)
    request = PageRequest(info.context, access, findings, first, after)
    return await request.load(
        repository.pages,
        comparison,
        kinds=frozenset(kinds or ()),
        node=lambda row: DriftFinding.of(row, access),
    )


@strawberry.type(description="The differences between two snapshots, as found by a drift run.")
class DriftReport:
    access: strawberry.Private[TenantAccess]
    comparison: strawberry.Private[Comparison]
    scope_key: str = field(description="The key of the scope that was compared.")
    baseline_run_id: strawberry.ID = field(description="The id of the older sync.")
    current_run_id: strawberry.ID = field(description="The id of the newer sync.")
    added: int = field(description="The number of new policies.")
    removed: int = field(description="The number of removed policies.")
    modified: int = field(description="The number of policies whose settings changed.")

    @classmethod
    def of(
        cls, comparison: Comparison, counts: Mapping[DriftKind, int], access: TenantAccess
    ) -> "DriftReport":
        def run_id(key: UUID) -> strawberry.ID:
            return GlobalId("OperationRun", access.tenant_id, key.hex).encode()

        return cls(
            access=access,
            comparison=comparison,
            scope_key=comparison.scope_key,
            baseline_run_id=run_id(comparison.baseline_run_id),
            current_run_id=run_id(comparison.current_run_id),
            added=counts.get(DriftKind.ADDED, 0),
            removed=counts.get(DriftKind.REMOVED, 0),
            modified=counts.get(DriftKind.MODIFIED, 0),
        )

    @field(description="The older sync; null after retention has deleted it.")
    async def baseline_run(self, info: Info) -> OperationRun | None:
        return await self._run(info, self.comparison.baseline_run_id)

    @field(description="The newer sync; null after retention has deleted it.")
    async def current_run(self, info: Info) -> OperationRun | None:
        return await self._run(info, self.comparison.current_run_id)

    async def _run(self, info: Info, run_id: UUID) -> OperationRun | None:
        run = await info.context.load(reading.by_ids, self.access, run_id)
        return OperationRun.of(run, self.access, info) if run else None

    @field(description="The findings, sorted by policy name.")
    async def findings(
        self, info: Info, kinds: Kinds = UNSET, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[DriftFinding]:
        return await findings_page(info, self.access, self.comparison, kinds, first, after)


@strawberry.type
class TenantDrift:
    @field(description="The findings of one drift run, sorted by policy name.")
    async def drift_findings(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        run_id: Annotated[
            strawberry.ID, argument(description="The id of a run of type `drift.generate`.")
        ],
        kinds: Kinds = UNSET,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[DriftFinding]:
        _, decoded = await info.context.locate(run_id, "OperationRun", within=root)
        key = decoded.uuid_key()
        run = (await info.context.read(reading.by_ids, root, [key])).get(key)
        if run is None:
            return page_of([], 0, is_first=not after, node=as_is, cursor=str)
        if run.run_type != RUN_TYPE:
            raise BadInputError(f"A run of type {run.run_type} has no drift findings.")
        comparison = Comparison.of_context(run.context)
        return await findings_page(info, root, comparison, kinds, first, after)
