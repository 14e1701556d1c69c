"""The demo: two tenants, users with every role, and exports that change between two syncs."""

from dataclasses import dataclass
from pathlib import Path

from domain.inventory.maintenance import InventoryMaintenance
from domain.inventory.models import RUN_TYPE
from domain.lifecycle import StatusBucket
from domain.runs.failures import ProducerError
from domain.runs.models import OperationRun
from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.models import User
from domain.tenancy.providers import DirectorySettings
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from opsrun.auth.tokens import LOCAL_ISSUER
from opsrun.dev.demo_policies import Version, write_export
from opsrun.settings import SettingsError
from workers.providers.directory import DirectoryProvider

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

SERVICE = User(LOCAL_ISSUER, "nightly-sync", "Nightly sync", is_service=True)
"""An operator of the first tenant: `opsrun token nightly-sync --service` prints its token."""

OWN = DemoTenant("own-exports", "Own exports", TENANTS[0].roles)
"""The tenant of `opsrun dev --exports`; the demo never writes to its folder."""


def memberships(subject: str) -> list[str]:
    """Return the memberships of a demo user, each as `slug:ROLE`."""
    return [
        f"{tenant.slug}:{tenant.roles[subject]}"
        for tenant in (*TENANTS, OWN)
        if subject in tenant.roles
    ]


async def own_scopes(folder: Path, exports: Path) -> list[str]:
    """Return the scopes in a folder of the user's exports; `exports` is the demo's folder.

    Raises:
        SettingsError: the folder cannot be read, has no scope, or belongs to the demo.
    """
    if _real(folder).is_relative_to(_real(exports)):
        raise SettingsError(f"--exports: The demo writes to {folder}. Choose another folder.")
    try:
        scopes = await DirectoryProvider(folder).scopes()
    except ProducerError as error:
        raise SettingsError(f"--exports {folder}: {error.message}") from error
    if not scopes:
        raise SettingsError(
            f"--exports: {folder} has no subfolder. Each subfolder is a scope, and holds the JSON"
            " files of one export: see docs/exports.md."
        )
    return [*scopes]


def _real(folder: Path) -> Path:
    return folder.resolve()


async def save_demo_tenant(transactions: Transactions, tenant: DemoTenant, folder: Path) -> None:
    """Add a tenant with its members and the scopes of its export folder."""
    tenant_id = await save_tenant(
        transactions, tenant.slug, tenant.name, DirectorySettings(str(_real(folder)))
    )
    # Maintenance would add the scopes too, but a user may start a sync before it does.
    scopes = await DirectoryProvider(folder).scopes()
    await InventoryMaintenance(transactions).save_scopes({tenant_id: scopes})
    await save_members(transactions, tenant)


async def save_members(transactions: Transactions, tenant: DemoTenant) -> None:
    """Give the demo's users their roles in a tenant."""
    for subject, role in tenant.roles.items():
        await save_member(transactions, tenant.slug, USERS[subject], role)


async def seed(transactions: Transactions, exports: Path) -> None:
    """Add the demo's tenants, members, service and exports; an existing export stays."""
    for tenant in TENANTS:
        folder = exports / tenant.slug
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / SCOPE).exists():
            write_export(folder / SCOPE, 1)
            write_export(folder / BROKEN_SCOPE, 1, broken=True)
        await save_demo_tenant(transactions, tenant, folder)
    await save_member(transactions, TENANTS[0].slug, SERVICE, TenantRole.OPERATOR)


def may_change(slug: str, run: OperationRun) -> bool:
    """Return whether the run synced the scope of a demo tenant whose export changes."""
    return (
        any(slug == tenant.slug for tenant in TENANTS)
        and run.run_type == RUN_TYPE
        and run.status_bucket is StatusBucket.SUCCEEDED
        and run.context["scopeKey"] == SCOPE
    )


def change_export(exports: Path, slug: str) -> bool:
    """Replace a tenant's export by its other version, so that the next sync finds drift.

    Returns False, and changes nothing, if the user put another export there.
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
