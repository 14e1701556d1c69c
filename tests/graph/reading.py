"""Reads all policies with the least number of requests, to test that the double has them."""

from collections.abc import Mapping
from typing import Any

import httpx

from tests.graph.client import read_all
from tests.graph.policy_collections import COLLECTIONS, Collection

_ROOT = "/beta/deviceManagement"
_ACTIONS = "scheduledActionsForRule($expand=scheduledActionConfigurations)"


async def read_policies(http: httpx.AsyncClient) -> Mapping[str, list[dict[str, Any]]]:
    """Return all policies by collection, with everything that hangs on them."""
    return {
        name: [
            await _details(http, f"{_ROOT}/{name}/{policy['id']}", policy, collection)
            for policy in await read_all(http, f"{_ROOT}/{name}{_expanding(collection)}")
        ]
        for name, collection in COLLECTIONS.items()
    }


def _expanding(collection: Collection) -> str:
    names = [
        _ACTIONS if name == "scheduledActionsForRule" else name
        for name, link in collection.links.items()
        if link.in_lists and link.list_page is None
    ]
    return f"?$expand={','.join(names)}" if names else ""


async def _details(
    http: httpx.AsyncClient, path: str, policy: dict[str, Any], collection: Collection
) -> dict[str, Any]:
    if collection.hidden:
        policy |= (await http.get(path)).json()
    if "settings" in collection.links:
        policy["settings"] = await read_all(http, f"{path}/settings")
    if "localizedNotificationMessages" in collection.links:
        policy |= (await http.get(f"{path}?$expand=localizedNotificationMessages")).json()
    if "definitionValues" in collection.links:
        values = await read_all(http, f"{path}/definitionValues?$expand=definition")
        for value in values:
            below = f"{path}/definitionValues/{value['id']}/presentationValues"
            value["presentationValues"] = await read_all(http, f"{below}?$expand=presentation")
        policy["definitionValues"] = values
    return policy
