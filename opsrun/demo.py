"""The demo: two tenants, users of every role, and exports that change between two syncs."""

from dataclasses import dataclass
from pathlib import Path

from domain.inventory.models import RUN_TYPE
from domain.runs.lifecycle import StatusBucket
from domain.runs.models import OperationRun
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from opsrun.administration import User, save_member, save_tenant
from opsrun.auth import LOCAL_ISSUER
from opsrun.demo_policies import Version, write_export

EXPORTS_FOLDER = "exports"
SCOPE = "workstations"
BROKEN_SCOPE = "broken-export"
_SECOND_VERSION_MARK = ".second-version"


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant with its members' roles by subject."""

    slug: str
    name: str
    roles: dict[str, TenantRole]

    def scope_folder(self, exports: Path, scope: str = SCOPE) -> Path:
        """Return the folder of one of the tenant's scopes."""
        return exports / self.slug / scope


USERS = {
    subject: User(LOCAL_ISSUER, subject, name, f"{subject}@example.com")
    for subject, name in (
        ("olivia", "Olivia Owner"),
        ("manu", "Manu Manager"),
        ("oscar", "Oscar Operator"),
        ("rita", "Rita Reader"),
        ("bo", "Bo Borealis"),
    )
}

TENANTS = (
    DemoTenant(
        "aurora",
        "Aurora Clinics",
        {
            "olivia": TenantRole.OWNER,
            "manu": TenantRole.MANAGER,
            "oscar": TenantRole.OPERATOR,
            "rita": TenantRole.READONLY,
        },
    ),
    DemoTenant(
        "borealis",
        "Borealis Freight",
        {"bo": TenantRole.OWNER, "olivia": TenantRole.READONLY},
    ),
)


async def seed(transactions: Transactions, exports: Path) -> None:
    """Write the demo's tenants, members and exports; an export that is there stays."""
    for tenant in TENANTS:
        folder = exports / tenant.slug
        folder.mkdir(parents=True, exist_ok=True)
        if not tenant.scope_folder(exports).exists():
            write_export(tenant.scope_folder(exports), 1)
            write_export(tenant.scope_folder(exports, BROKEN_SCOPE), 1, broken=True)
        await save_tenant(transactions, tenant.slug, tenant.name, str(folder.resolve()))
        for subject, role in tenant.roles.items():
            await save_member(transactions, tenant.slug, USERS[subject], role)


def may_change(slug: str, run: OperationRun) -> bool:
    """Tell whether the run took the state of a demo tenant's scope whose export changes."""
    return (
        any(slug == tenant.slug for tenant in TENANTS)
        and run.run_type == RUN_TYPE
        and run.status_bucket is StatusBucket.SUCCEEDED
        and run.context["scopeKey"] == SCOPE
    )


def change_export(exports: Path, slug: str) -> bool:
    """Replace a tenant's export by its other version, so that the next sync finds drift.

    Returns False when somebody put an export of their own there, which stays.
    """
    folder = exports / slug
    mark = folder / _SECOND_VERSION_MARK
    version: Version = 1 if mark.exists() else 2
    try:
        write_export(folder / SCOPE, version)
    except FileExistsError:
        return False
    if version == 2:
        mark.touch()
    else:
        mark.unlink()
    return True
