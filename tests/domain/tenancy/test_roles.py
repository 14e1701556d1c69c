"""The permissions of each role (product T1)."""

import pytest

from domain.runs.run_types import run_types
from domain.tenancy.roles import LEAST_ROLE, TenantRole, refusal

READ = {"view"}
WORK = READ | {"inventory.sync", "group.sync", "drift.generate", "backup_set.add_policies"}
# `report.export` belongs to tests/package.
MANAGE = WORK | {"create:backup_set", "report.export"}
OWN = MANAGE | {"change:settings"}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (TenantRole.READONLY, READ),
        (TenantRole.OPERATOR, WORK),
        (TenantRole.MANAGER, MANAGE),
        (TenantRole.OWNER, OWN),
    ],
)
def test_each_role_has_the_permissions_of_the_product(role: TenantRole, allowed: set[str]) -> None:
    least = {**LEAST_ROLE, **{name: each.least_role for name, each in run_types().items()}}
    assert {name for name, role_ in least.items() if refusal(role, role_) is None} == allowed


@pytest.mark.parametrize(
    ("least", "reason"),
    [
        (
            TenantRole.OPERATOR,
            "Your role READONLY may not do this: it requires OPERATOR or above.",
        ),
        (TenantRole.OWNER, "Your role READONLY may not do this: it requires OWNER."),
    ],
)
def test_a_refusal_names_the_required_role(least: TenantRole, reason: str) -> None:
    assert refusal(TenantRole.READONLY, least) == reason
