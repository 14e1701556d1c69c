"""What a run relates to: resolved from its context, one statement per kind for a whole page."""

from typing import Annotated, Union

import strawberry

from domain.backups import models as backups
from domain.drift import models as drift
from domain.inventory import models as inventory
from domain.runs.models import OperationRun
from domain.tenancy.models import TenantAccess
from gql.backups.types import BackupSet
from gql.context import Info
from gql.drift.types import DriftReport
from gql.inventory.types import InventorySnapshot
from gql.runs.related import RELATED

RelatedResource = Annotated[
    Union[DriftReport, BackupSet, InventorySnapshot],  # noqa: UP007
    strawberry.union(
        "RelatedResource",
        description="What a run worked on or brought about. Members may be added.",
    ),
]


async def _drift_report(run: OperationRun, access: TenantAccess, info: Info) -> DriftReport:
    comparison = drift.Comparison.of_context(run.context)
    counts = await info.context.load(info.context.cases.drift.counts, access, comparison)
    return DriftReport.of(comparison, counts or {}, access)


async def _backup_set(run: OperationRun, access: TenantAccess, info: Info) -> BackupSet | None:
    set_id = backups.AddPolicies.of_context(run.context).backup_set_id
    found = await info.context.load(info.context.cases.backups.by_ids, access, set_id)
    return BackupSet.of(found, access) if found else None


async def _snapshot(
    run: OperationRun, access: TenantAccess, info: Info
) -> InventorySnapshot | None:
    count = await info.context.load(info.context.cases.inventory.policy_counts, access, run.id)
    return InventorySnapshot.of(run, count) if count else None


RELATED.update(
    {
        drift.RUN_TYPE: _drift_report,
        backups.RUN_TYPE: _backup_set,
        inventory.RUN_TYPE: _snapshot,
    }
)
