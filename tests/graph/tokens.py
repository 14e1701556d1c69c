"""The token endpoint of Microsoft Entra, with its errors in their real shape."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from uuid import uuid4

from tests.graph.calls import Reply
from tests.graph.credentials import Credentials
from tests.graph.errors import EntraError, GraphError

ALL_ROLES = frozenset(
    {
        "DeviceManagementConfiguration.Read.All",
        "DeviceManagementRBAC.Read.All",
        "DeviceManagementServiceConfig.Read.All",
        "Group.Read.All",
    }
)


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's clouds: where its Graph and its authority are in the double."""

    name: str
    url: str
    audience: str
    """The address of the real Graph, which clients may name as the resource too."""


@dataclass(frozen=True, slots=True)
class _Issued:
    cloud: Cloud
    expires_at: float
    roles: frozenset[str]


@dataclass(slots=True)
class Tokens:
    """Issues tokens to one app of one tenant, and checks them."""

    tenant_id: str = field(default_factory=lambda: str(uuid4()))
    domain: str = "contoso.example"
    client_id: str = field(default_factory=lambda: str(uuid4()))
    credentials: Credentials = field(default_factory=Credentials)
    lifetime: float = 3599
    """Seconds for which a new token is valid."""
    consent: bool = True
    """Whether an administrator's consent is in force."""
    roles: frozenset[str] = ALL_ROLES
    """The permissions that new tokens hold."""
    issued: list[str] = field(default_factory=list)
    """All tokens, in the order of their issue."""
    _valid: dict[str, _Issued] = field(default_factory=dict)

    @property
    def secret(self) -> str:
        """The app's secret."""
        return self.credentials.secret

    def revoke(self) -> None:
        """Make all tokens invalid."""
        self._valid.clear()

    def configuration(self, cloud: Cloud, tenant: str) -> Reply:
        """Return the OpenID configuration of a tenant.

        Raises:
            EntraError: the tenant does not exist.
        """
        self._require_tenant(tenant)
        authority = f"{cloud.url}/{tenant}"
        return Reply(
            200,
            {
                "issuer": f"{cloud.url}/{self.tenant_id}/v2.0",
                "token_endpoint": f"{authority}/oauth2/v2.0/token",
                "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{authority}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "cloud_instance_name": cloud.name,
            },
        )

    def issue(self, cloud: Cloud, tenant: str, form: Mapping[str, str]) -> Reply:
        """Return a new token.

        Raises:
            EntraError: the request, the credential or the consent is not as it must be.
        """
        self._require_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            raise EntraError(
                400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
            )
        if form.get("client_id") != self.client_id:
            raise EntraError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{form.get('client_id')}' was not found in the"
                f" directory '{self.domain}'.",
            )
        self._require_scope(cloud, form.get("scope", ""))
        endpoint = f"{cloud.url}/{tenant}/oauth2/v2.0/token"
        self.credentials.require(form, self.client_id, endpoint)
        if not self.consent:
            raise EntraError(
                400,
                "invalid_grant",
                65001,
                "The user or administrator has not consented to use the application with ID"
                f" '{self.client_id}' named 'Opsrun'. Send an interactive authorization request"
                " for this user and resource.",
            )
        token = f"eyJ0eXAiOiJKV1Qi.{token_urlsafe(60)}.{token_urlsafe(30)}"
        self.issued.append(token)
        self._valid[token] = _Issued(cloud, time.monotonic() + self.lifetime, self.roles)
        seconds = round(self.lifetime)
        return Reply(
            200,
            {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            },
        )

    def roles_of(self, cloud: Cloud, authorization: str) -> frozenset[str]:
        """Return the permissions of the token of a request to Graph.

        Raises:
            GraphError: 401, the token is not valid here and now.
        """
        issued = self._valid.get(authorization.removeprefix("Bearer "))
        if issued is None:
            raise _unauthorized("Access token is empty or invalid.")
        if issued.cloud != cloud:
            raise _unauthorized("Access token validation failure. Invalid audience.")
        if time.monotonic() >= issued.expires_at:
            raise _unauthorized("Lifetime validation failed, the token is expired.")
        return issued.roles

    def _require_tenant(self, tenant: str) -> None:
        if tenant not in (self.tenant_id, self.domain):
            raise EntraError(
                400,
                "invalid_tenant",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID"
                " and are signing into the correct cloud.",
            )

    def _require_scope(self, cloud: Cloud, scope: str) -> None:
        resource = scope.removesuffix("/.default").removesuffix("/")
        if not scope.endswith("/.default"):
            raise EntraError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {scope} is not valid. Client credential flows must"
                " have a scope value with /.default suffixed to the resource identifier.",
            )
        if resource not in (cloud.url, cloud.audience):
            raise EntraError(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {resource} was not found in the tenant named"
                f" {self.domain}.",
            )


def _unauthorized(message: str) -> GraphError:
    headers = {"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'}
    return GraphError(401, "InvalidAuthenticationToken", message, headers)
