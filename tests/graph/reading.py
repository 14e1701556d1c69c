"""Reads all policies with the least number of requests, and compares what was read."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.graph.client import read_all
from tests.graph.metadata import reduced
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


def by_id(policies: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, Any]]:
    """Return policies by collection and id, for a comparison.

    They get the types that Graph sends by default, and the empty lists that exports leave out.
    """
    return {
        name: {
            policy["id"]: {
                **{link: [] for link in COLLECTIONS[name].links},
                **reduced(policy, "minimal", COLLECTIONS[name].type_name),
            }
            for policy in some
        }
        for name, some in policies.items()
        if some
    }
