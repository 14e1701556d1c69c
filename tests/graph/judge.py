"""Reads doubles with Microsoft's own SDK; runs in an environment that has it, and nothing of ours.

Reads a list of targets as JSON from standard input, and writes for each target what the SDK read:
policies by collection, with everything below them, and the members of each group.
"""
# mypy: disable-error-code="import-not-found, no-any-unimported"

import asyncio
import json
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msal
from azure.identity.aio import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.serialization import Parsable
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph_beta import GraphRequestAdapter, GraphServiceClient
from msgraph_core import GraphClientFactory

COLLECTIONS = (
    "assignment_filters",
    "compliance_policies",
    "configuration_policies",
    "device_compliance_policies",
    "device_configurations",
    "device_enrollment_configurations",
    "device_health_scripts",
    "device_management_scripts",
    "device_shell_scripts",
    "group_policy_configurations",
    "intents",
    "notification_message_templates",
    "role_scope_tags",
    "windows_autopilot_deployment_profiles",
    "windows_driver_update_profiles",
    "windows_feature_update_profiles",
    "windows_quality_update_profiles",
)
EXPANDED = {
    "device_compliance_policies": [
        "scheduledActionsForRule($expand=scheduledActionConfigurations)"
    ],
    "compliance_policies": ["scheduledActionsForRule($expand=scheduledActionConfigurations)"],
    "notification_message_templates": ["localizedNotificationMessages"],
}


def options(builder: Any, **query: list[str]) -> Any:
    """Return a request's configuration with query options such as `expand`."""
    parameters = getattr(builder, f"{type(builder).__name__}GetQueryParameters")
    return RequestConfiguration(query_parameters=parameters(**query))


async def read_all(builder: Any, **query: list[str]) -> list[Any]:
    """Return the models of all pages; the SDK's own links lead from page to page."""
    models: list[Any] = []
    page = await builder.get(request_configuration=options(builder, **query))
    while page:
        models += page.value
        link = page.odata_next_link
        page = await builder.with_url(link).get() if link else None
    return models


def plain(value: Any) -> Any:
    """Return what the SDK read as JSON. A null and an absent member are the same to it."""
    if isinstance(value, Parsable):
        members = {
            name: plain(getattr(value, _attribute(name)))
            for name in value.get_field_deserializers()
        }
        members |= plain(value.additional_data)
        return {name: member for name, member in members.items() if member is not None}
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        # Graph joins the members of an enumeration.
        if value and all(isinstance(member, Enum) for member in value):
            return ",".join(member.value for member in value)
        return [plain(member) for member in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.value if isinstance(value, Enum) else value


def _attribute(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name.replace("@odata.", "odata_")).lower()


async def read_policy(collection: Any, name: str, policy_id: str) -> dict[str, Any]:
    """Return a policy and what hangs on it."""
    item = getattr(collection, _by_id(collection))(policy_id)
    configuration = options(item, expand=EXPANDED.get(name, []))
    policy: dict[str, Any] = plain(await item.get(request_configuration=configuration))
    for below in ("assignments", "settings"):
        if hasattr(type(item), below):
            policy[below] = [plain(one) for one in await read_all(getattr(item, below))]
    if name == "group_policy_configurations":
        policy["definitionValues"] = []
        for value in await read_all(item.definition_values, expand=["definition"]):
            presentations = item.definition_values.by_group_policy_definition_value_id(
                value.id
            ).presentation_values
            read = [plain(one) for one in await read_all(presentations, expand=["presentation"])]
            policy["definitionValues"].append({**plain(value), "presentationValues": read})
    return policy


def _by_id(collection: Any) -> str:
    (method,) = [name for name in dir(collection) if name.startswith("by_")]
    return method


async def read_groups(client: Any) -> dict[str, list[str]]:
    """Return the ids of each group's members, as delta says them."""
    groups: dict[str, list[str]] = {}
    for group in await read_all(client.groups.delta, select=["displayName", "members"]):
        members = groups.setdefault(group.id, [])
        members += [str(one["id"]) for one in group.additional_data.get("members@delta", ())]
    return {key: sorted({*members}) for key, members in groups.items()}


@asynccontextmanager
async def credential_of(target: dict[str, Any]) -> AsyncIterator[Any]:
    """Return the target's credential: by secret, certificate or federated token."""
    common = {
        "tenant_id": target["tenant"],
        "client_id": target["client"],
        "authority": target["authority"],
        "disable_instance_discovery": True,
        "connection_verify": target["ca_file"],
    }
    if "certificate" in target:
        credential = CertificateCredential(**common, certificate_path=target["certificate"])
    elif "federated" in target:
        credential = ClientAssertionCredential(**common, func=lambda: target["federated"])
    else:
        credential = ClientSecretCredential(**common, client_secret=target["secret"])
    async with credential:
        yield credential


def msal_errors(target: dict[str, Any]) -> list[str]:
    """Return the errors of msal with each credential of the target."""
    pem = Path(target["all"]["certificate"]).read_text()
    return [
        f"{name}: {answer}"
        for name, credential in {
            "secret": target["all"]["secret"],
            "certificate": {
                "private_key": pem,
                "public_certificate": pem[pem.index("-----BEGIN CERTIFICATE") :],
            },
            "federated": {"client_assertion": lambda: target["all"]["federated"]},
            "wrong secret": "wrong",
        }.items()
        for answer in [
            msal.ConfidentialClientApplication(
                target["client"],
                credential,
                f"{target['authority']}/{target['tenant']}",
                instance_discovery=False,
                verify=target["ca_file"],
            ).acquire_token_for_client([f"{target['graph']}/.default"])
        ]
        if ("AADSTS7000215" if name == "wrong secret" else "access_token") not in str(answer)
    ]


async def read(target: dict[str, Any]) -> dict[str, Any]:
    """Return everything that the SDK reads from a target."""
    trust = ssl.create_default_context(cafile=target["ca_file"])
    scopes, hosts = [f"{target['graph']}/.default"], [urlsplit(target["graph"]).hostname]
    async with httpx.AsyncClient(verify=trust, timeout=30) as http, credential_of(target) as proof:
        provider = AzureIdentityAuthenticationProvider(proof, scopes=scopes, allowed_hosts=hosts)
        client_with_retries = GraphClientFactory.create_with_default_middleware(client=http)
        adapter = GraphRequestAdapter(provider, client=client_with_retries)
        adapter.base_url = f"{target['graph']}/beta"
        client = GraphServiceClient(request_adapter=adapter)
        policies = {}
        for name in COLLECTIONS:
            collection = getattr(client.device_management, name)
            policies[name] = [
                await read_policy(collection, name, one.id) for one in await read_all(collection)
            ]
        groups = await read_groups(client)
    return {"policies": policies, "groups": groups, "msal": msal_errors(target)}


async def main() -> None:
    """Read all targets."""
    targets = json.loads(sys.stdin.read())
    json.dump([await read(target) for target in targets], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
