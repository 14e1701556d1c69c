"""A token of the client credentials grant belongs to a service, any other to a person."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from domain.tenancy.models import InitiatorKind, kind_of, user_id
from opsrun.auth.services import service_client
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from tests.opsrun.auth.providers import PERSONS, SERVICES, Claims
from tests.world import LOCAL_KEY

CLIENT = "Nightly-Sync"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_recognized(service: Callable[[str], Claims]) -> None:
    assert service_client(service(CLIENT)) == CLIENT


@pytest.mark.parametrize("person", PERSONS)
def test_a_person_who_uses_the_same_client_is_not_a_service(
    person: Callable[[str], Claims],
) -> None:
    assert service_client(person(CLIENT)) is None


@pytest.mark.parametrize(
    "chosen",
    [
        {"name": CLIENT},
        {"name": "service-account-nightly-sync"},
        {"nickname": f"{CLIENT}@clients"},
        {"email": f"{CLIENT}@clients"},
        {"preferred_username": CLIENT},
        {"preferred_username": f"{CLIENT}@clients"},
        {"preferred_username": "service-account-another"},
        {"preferred_username": ["service-account-nightly-sync"]},
    ],
)
@pytest.mark.parametrize("person", PERSONS)
def test_names_that_a_person_chooses_make_no_service(
    person: Callable[[str], Claims], chosen: Claims
) -> None:
    assert service_client({**person(CLIENT), **chosen}) is None


@pytest.mark.parametrize("client", [None, "", 7, ["x"], {"x": "y"}])
def test_a_token_without_a_clients_id_belongs_to_a_person(client: object) -> None:
    for claims in ({"sub": "", "azp": client}, {"sub": "x", "client_id": client, "idtyp": "app"}):
        assert service_client(claims) is None
    assert service_client({"sub": "x@clients", "idtyp": "app"}) is None


async def test_a_local_token_for_a_service_follows_the_same_rule() -> None:
    tokens = LocalTokens(LOCAL_KEY, memberships_claim="roles")
    subject, hour = uuid4().hex, timedelta(hours=1)
    for is_service, kind in ((True, InitiatorKind.SERVICE), (False, InitiatorKind.USER)):
        minted = tokens.mint(subject, name="Sync", lifetime=hour, is_service=is_service)
        identity = await tokens.verify(minted)
        assert kind_of(identity.user_id) is kind
        assert identity.user_id == user_id(LOCAL_ISSUER, subject, is_service=is_service)
        assert identity.claimed is not None
        assert (identity.claimed.id, identity.claimed.name) == (identity.user_id, "Sync")
