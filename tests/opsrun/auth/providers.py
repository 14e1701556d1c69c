"""The claims of access tokens, as identity providers write them."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

Claims = Mapping[str, Any]


def auth0_service(client: str) -> Claims:
    return {"sub": f"{client}@clients", "azp": client, "gty": "client-credentials"}


def auth0_service_in_the_standard_profile(client: str) -> Claims:
    return {"sub": f"{client}@clients", "client_id": client, "jti": uuid4().hex}


def entra_service(client: str) -> Claims:
    principal = str(uuid4())
    roles = ["Runs.Start"]
    return {"sub": principal, "oid": principal, "azp": client, "idtyp": "app", "roles": roles}


def entra_service_in_version_1(client: str) -> Claims:
    principal = str(uuid4())
    return {"sub": principal, "oid": principal, "appid": client, "idtyp": "app", "ver": "1.0"}


def keycloak_service(client: str) -> Claims:
    return {
        "sub": str(uuid4()),
        "azp": client,
        "client_id": client,
        "preferred_username": f"service-account-{client.lower()}",
        "email_verified": False,
    }


def okta_service(client: str) -> Claims:
    return {"sub": client, "cid": client, "scp": ["runs"]}


def standard_service(client: str) -> Claims:
    return {"sub": client, "client_id": client}


SERVICES: tuple[Callable[[str], Claims], ...] = (
    auth0_service,
    auth0_service_in_the_standard_profile,
    entra_service,
    entra_service_in_version_1,
    keycloak_service,
    okta_service,
    standard_service,
)


def auth0_person(client: str) -> Claims:
    return {"sub": f"auth0|{uuid4().hex}", "azp": client, "name": "Ada"}


def entra_person(client: str) -> Claims:
    return {
        "sub": uuid4().hex,
        "oid": str(uuid4()),
        "azp": client,
        "name": "Ada",
        "preferred_username": "ada@example.com",
        "idtyp": "user",
    }


def keycloak_person(client: str) -> Claims:
    return {"sub": str(uuid4()), "azp": client, "preferred_username": "ada", "name": "Ada"}


def standard_person(client: str) -> Claims:
    return {"sub": uuid4().hex, "client_id": client, "name": "Ada"}


PERSONS = (auth0_person, entra_person, keycloak_person, standard_person)
