"""Users, and their access to tenants."""

from uuid import UUID, uuid4

import pytest

from domain.errors import ErrorCode, ForbiddenError
from domain.tenancy.models import (
    SYSTEM,
    Initiator,
    InitiatorKind,
    Principal,
    Tenant,
    TenantAccess,
    kind_of,
    user_id,
)
from domain.tenancy.roles import VIEW, TenantRole

TENANT = Tenant(uuid4(), "aurora", "Aurora Clinics", 90)
ACCESS = TenantAccess(user_id("https://issuer.example", "ada"), "Ada", TENANT, TenantRole.READONLY)
ADA = Principal(ACCESS.user_id, "Ada", None, {TENANT.id: ACCESS})


def test_the_id_of_an_identity_never_changes() -> None:
    assert user_id("https://issuer.example", "ada") == UUID("fa96e711-321f-52df-be19-727044c8e8fd")


@pytest.mark.parametrize(
    "other",
    [
        ("https://issuer.example", "ADA"),
        ("https://issuer.example", "ada "),
        ("https://issuer.example/", "ada"),
        ("https://issuer.exampleada", ""),
        ("", "https://issuer.exampleada"),
    ],
)
def test_another_identity_has_another_id(other: tuple[str, str]) -> None:
    assert user_id(*other) != user_id("https://issuer.example", "ada")


def test_a_service_and_a_person_with_one_subject_are_two_users() -> None:
    service = user_id("https://issuer.example", "ada", is_service=True)
    assert service == UUID("fa96e711-321f-82df-be19-727044c8e8fd")
    assert service != ADA.user_id
    assert (kind_of(service), kind_of(ADA.user_id)) == (InitiatorKind.SERVICE, InitiatorKind.USER)


def test_a_member_enters_their_tenant() -> None:
    access = ADA.enter(TENANT.id)
    assert access is ACCESS
    assert access.tenant_id == TENANT.id
    assert access.initiator == Initiator(ADA.user_id, "Ada")
    assert access.initiator.kind is InitiatorKind.USER
    assert SYSTEM.kind is InitiatorKind.SYSTEM


def test_a_user_cannot_enter_another_tenant() -> None:
    with pytest.raises(ForbiddenError, match="no access to this tenant") as caught:
        ADA.enter(uuid4())
    assert caught.value.code is ErrorCode.FORBIDDEN


def test_a_refusal_names_the_required_role() -> None:
    ACCESS.require(VIEW)
    with pytest.raises(ForbiddenError, match=r"requires OWNER\.$"):
        ACCESS.require("change:settings")
