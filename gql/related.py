"""The resources that a run relates to: one statement per kind for a whole page."""

from typing import Annotated, Any, Union

import strawberry
from strawberry import field

from domain.backups import models as backups
from domain.backups import repository as backups_repository
from domain.drift import models as drift
from domain.drift import repository as drift_repository
from domain.groups import models as groups
from domain.inventory import models as inventory
from domain.inventory.repository.policies import policy_counts
from domain.runs.models import OperationRun
from domain.runs.run_types import Link
from domain.tenancy.models import TenantAccess
from gql.backups.queries import BackupSet
from gql.context import Info
from gql.drift.queries import DriftReport
from gql.groups.queries import GroupDirectory
from gql.inventory.queries import InventorySnapshot
from gql.runs.related import RELATED


@strawberry.type(description="A related thing that another product shows.")
class RelatedLink:
    title: str = field(description="The text of the link.")
    url: str = field(description="The address, which begins with `https://` or `http://`.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Return whether GraphQL should resolve the value as a link."""
        return isinstance(value, Link)


RelatedResource = Annotated[
    Union[DriftReport, BackupSet, InventorySnapshot, GroupDirectory, RelatedLink],  # noqa: UP007
    strawberry.union(
        "RelatedResource",
        description="A resource that a run worked on or created. New members may be added.",
    ),
]


async def _drift_report(run: OperationRun, access: TenantAccess, info: Info) -> DriftReport:
    comparison = drift.Comparison.of_context(run.context)
    counts = await info.context.load(drift_repository.counts, access, comparison)
    return DriftReport.of(comparison, counts or {}, access)


async def _backup_set(run: OperationRun, access: TenantAccess, info: Info) -> BackupSet | None:
    set_id = backups.AddPolicies.model_validate(run.context).backup_set_id
    backup_set = await info.context.load(backups_repository.by_ids, access, set_id)
    return BackupSet.of(backup_set, access) if backup_set else None


async def _snapshot(
    run: OperationRun, access: TenantAccess, info: Info
) -> InventorySnapshot | None:
    count = await info.context.load(policy_counts, access, run.id)
    return InventorySnapshot.of(run, count) if count else None


async def _groups(_: OperationRun, access: TenantAccess, info: Info) -> GroupDirectory | None:
    return await GroupDirectory.load(info, access)


RELATED.update(
    {
        drift.RUN_TYPE: _drift_report,
        backups.RUN_TYPE: _backup_set,
        inventory.RUN_TYPE: _snapshot,
        groups.RUN_TYPE: _groups,
    }
)
