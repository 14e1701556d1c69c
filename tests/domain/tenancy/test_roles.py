"""The permissions of each role (product T1)."""

import pytest

from domain.tenancy.roles import LEAST_ROLE, TenantRole, refusal
from workers.producers import PRODUCERS

READ = {"view"}
WORK = READ | {"start:inventory.sync", "start:drift.generate", "start:backup_set.add_policies"}
MANAGE = WORK | {"create:backup_set"}
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
    assert {permission for permission in LEAST_ROLE if refusal(role, permission) is None} == allowed


@pytest.mark.parametrize("role", TenantRole)
def test_an_unknown_permission_is_refused_to_every_role(role: TenantRole) -> None:
    assert refusal(role, "start:tenant.delete") is not None
    assert refusal(role, "") is not None


@pytest.mark.parametrize(
    ("permission", "reason"),
    [
        (
            "start:inventory.sync",
            "Your role READONLY may not do this: it requires OPERATOR or above.",
        ),
        ("create:backup_set", "Your role READONLY may not do this: it requires MANAGER or above."),
        ("change:settings", "Your role READONLY may not do this: it requires OWNER."),
        ("start:no.such", "Unknown run type 'no.such'."),
        ("start:", "Unknown run type ''."),
        ("start:" + "x" * 1000, f"Unknown run type '{'x' * 60}…'."),
        ("delete:tenant", "Unknown permission 'delete:tenant'."),
    ],
)
def test_a_refusal_names_the_required_role(permission: str, reason: str) -> None:
    assert refusal(TenantRole.READONLY, permission) == reason


def test_every_producer_has_its_permission() -> None:
    assert {f"start:{producer.run_type}" for producer in PRODUCERS} <= LEAST_ROLE.keys()
