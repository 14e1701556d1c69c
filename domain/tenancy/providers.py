"""What provider a tenant's policies are read from, with its parameters (P6)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints


class ProviderKind(StrEnum):
    """The kinds of providers."""

    DIRECTORY = "DIRECTORY"
    GRAPH = "GRAPH"


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """The tenant's policies are files below a folder, which the workers can read."""

    folder: str

    def __str__(self) -> str:
        return self.folder


class Cloud(StrEnum):
    """Microsoft's clouds; each has its own sign-in and its own Graph."""

    GLOBAL = "global"
    US_GOVERNMENT = "us-government"
    CHINA = "china"


class CredentialKind(StrEnum):
    """How an app proves to Microsoft Entra who it is."""

    SECRET = "secret"  # noqa: S105 - the kind
    CERTIFICATE = "certificate"
    FEDERATED_TOKEN = "federated-token"  # noqa: S105


class GraphScopes(StrEnum):
    """What the scopes of a tenant are: one for all policies, or one per type or scope tag."""

    ALL = "all"
    TYPE = "type"
    SCOPE_TAG = "scope-tag"


ID = r"[A-Za-z0-9][A-Za-z0-9.-]{0,199}"
"""The form of the id of an Entra tenant, which may be a domain name, or of an app."""
REFERENCE = r"env:[A-Za-z_][A-Za-z0-9_]{0,199}|file:/[^\x00]{0,999}"
"""The form of a reference: an environment variable's name, or an absolute path."""
_Id = Annotated[str, StringConstraints(pattern=f"^(?:{ID})$")]
_Reference = Annotated[str, StringConstraints(pattern=f"^(?:{REFERENCE})$")]


class GraphSettings(BaseModel):
    """The tenant's policies are read from Microsoft Graph, as an app of its Entra tenant.

    `reference` says where the workers find the credential: `env:NAME` or `file:/PATH`. The
    credential itself is never stored.
    """

    model_config = ConfigDict(frozen=True)

    tenant: _Id
    client: _Id
    cloud: Cloud = Cloud.GLOBAL
    credential: CredentialKind
    reference: _Reference
    scopes: GraphScopes = GraphScopes.ALL

    def __str__(self) -> str:
        return (
            f"Microsoft Graph ({self.cloud}): tenant {self.tenant}, app {self.client},"
            f" {self.credential} in {self.reference}, scopes: {self.scopes}"
        )


ProviderSettings = DirectorySettings | GraphSettings


def columns_of(settings: ProviderSettings | None) -> dict[str, Any]:
    """Return the values of a tenant's columns that hold its provider; only one is not None."""
    return {
        "export_folder": settings.folder if isinstance(settings, DirectorySettings) else None,
        "graph": settings.model_dump(mode="json") if isinstance(settings, GraphSettings) else None,
    }


def settings_in(export_folder: str | None, graph: Any) -> ProviderSettings | None:
    """Return the settings that these columns of a tenant hold; the inverse of `columns_of`."""
    if graph is not None:
        return GraphSettings.model_validate(graph)
    return None if export_folder is None else DirectorySettings(export_folder)
