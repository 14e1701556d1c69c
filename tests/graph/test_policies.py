"""The double gives back what the exports hold."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from tests.graph import Double, graph_double
from tests.graph.client import read_all, signed_in

SETTINGS_OF = {"a": 0, "b": 1, "c": 25, "d": 26, "e": 70}
CATALOG = "/beta/deviceManagement/configurationPolicies"


def catalog_policy(policy_id: str, settings: int, **more: Any) -> dict[str, Any]:
    """Return a small policy of the settings catalog."""
    return {
        "id": policy_id,
        "@odata.type": "#microsoft.graph.deviceManagementConfigurationPolicy",
        "name": f"Policy {policy_id}",
        "settingCount": settings,
        "settings": [{"id": str(number)} for number in range(settings)],
        "assignments": [],
        **more,
    }


POLICIES: Mapping[str, list[dict[str, Any]]] = {
    "configurationPolicies": [catalog_policy(*one) for one in SETTINGS_OF.items()]
}


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[Double]:
    async with graph_double(policies=POLICIES, page_size=2) as double:
        yield double


@pytest.fixture(scope="module")
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(double) as http:
        yield http


async def test_pages_to_the_end_are_the_whole_list(http: httpx.AsyncClient) -> None:
    first = (await http.get(CATALOG)).json()
    assert first["@odata.count"] == 2
    assert [one["id"] for one in await read_all(http, CATALOG)] == [*SETTINGS_OF]


async def test_settings_come_in_pages_of_25(http: httpx.AsyncClient) -> None:
    for policy_id, settings in SETTINGS_OF.items():
        path = f"{CATALOG}/{policy_id}/settings"
        page = (await http.get(path, params={"$top": "1000"})).json()
        assert len(page["value"]) == min(settings, 25)
        assert len(await read_all(http, path)) == settings
