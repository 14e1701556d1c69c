"""Tells the token of a service from that of a person.

A service gets its token with the client credentials grant: as itself, not for a person. No claim
that all providers share says so, so each rule is a provider's or the standard's. No role depends
on them: an operator gives roles to a subject of one kind, and claimed roles are in the token.
"""

from collections.abc import Mapping
from typing import Any

# The claims that name the client: RFC 9068, OpenID Connect, version 1 of Entra ID's tokens, Okta.
_CLIENT = ("client_id", "azp", "appid", "cid")


def service_client(claims: Mapping[str, Any]) -> str | None:
    """Return the id of the client to which a token was issued as itself; None for a person's.

    | provider | rule |
    |---|---|
    | RFC 9068 (section 2.2), Okta, `opsrun token --service` | the subject is the client |
    | Auth0 | the subject is the client with the suffix `@clients`, in both of its profiles |
    | Entra ID | `idtyp` is `app`; the claim is optional and must be switched on |
    | Keycloak | `preferred_username` is `service-account-` and the client, in lowercase |
    """
    client = next((claims[name] for name in _CLIENT if name in claims), None)
    if not isinstance(client, str) or not client:
        return None
    is_service = (
        claims["sub"] in (client, f"{client}@clients")
        or claims.get("idtyp") == "app"
        or claims.get("preferred_username") == f"service-account-{client}".lower()
    )
    return client if is_service else None
