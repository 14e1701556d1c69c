"""The demo: two tenants, users of every role, and exports that change between two syncs."""

from dataclasses import dataclass
from pathlib import Path

from domain.inventory.maintenance import InventoryMaintenance
from domain.inventory.models import RUN_TYPE
from domain.lifecycle import StatusBucket
from domain.runs.failures import ProducerError
from domain.runs.models import OperationRun
from domain.tenancy.administration import save_member, save_tenant
from domain.tenancy.models import User
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
    """Return the scopes in a folder of the user's own exports; `exports` are the demo's.

    Raises:
        SettingsError: the folder cannot be read, has no scope, or is one of the demo's.
    """
    if _is_inside(folder, exports):
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


def _real(folder: Path) -> str:
    return str(folder.resolve())


def _is_inside(folder: Path, other: Path) -> bool:
    return folder.resolve().is_relative_to(other.resolve())


async def seed_own(transactions: Transactions, folder: Path) -> None:
    """Add the tenant that reads `folder`, with the members of the first demo tenant."""
    await _save(transactions, OWN, folder)


async def _save(transactions: Transactions, tenant: DemoTenant, folder: Path) -> None:
    tenant_id = await save_tenant(transactions, tenant.slug, tenant.name, _real(folder))
    # Maintenance would find them too, but a user may start a sync before it does.
    scopes = await DirectoryProvider(folder).scopes()
    await InventoryMaintenance(transactions).save_scopes(tenant_id, scopes)
    for subject, role in tenant.roles.items():
        await save_member(transactions, tenant.slug, USERS[subject], role)


async def seed(transactions: Transactions, exports: Path) -> None:
    """Add the demo's tenants, members and exports; an existing export stays."""
    for tenant in TENANTS:
        folder = exports / tenant.slug
        folder.mkdir(parents=True, exist_ok=True)
        if not tenant.scope_folder(exports).exists():
            write_export(tenant.scope_folder(exports), 1)
            write_export(tenant.scope_folder(exports, BROKEN_SCOPE), 1, broken=True)
        await _save(transactions, tenant, folder)


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

    Returns False if the user has put another export there, which stays.
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
