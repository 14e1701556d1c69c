"""The double gives back every policy as the files have it, in the ways of Graph."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.graph import Double, graph_double
from tests.graph.client import read_all, signed_in
from tests.graph.exports import read_exports
from tests.graph.policy_collections import COLLECTIONS
from tests.graph.reading import by_id, read_policies
from tests.graph.samples import sample_policies

EXPORTS = Path(__file__).parents[3] / "shared" / "data" / "policy-exports"
ROOT = "/beta/deviceManagement"
CATALOG = f"{ROOT}/configurationPolicies"
SETTINGS_OF = {"a": 0, "b": 1, "c": 25, "d": 26, "e": 70}


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


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[Double]:
    catalog = [catalog_policy(*one) for one in SETTINGS_OF.items()]
    async with graph_double(policies={"configurationPolicies": catalog}, page_size=2) as double:
        double.policies.put(
            "deviceCompliancePolicies", sample_policies(64)["deviceCompliancePolicies"][:1]
        )
        yield double


@pytest.fixture(scope="module")
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(double) as http:
        yield http


@pytest.mark.skipif(not EXPORTS.is_dir(), reason="the real exports are not here")
@pytest.mark.parametrize(
    ("release", "policies", "settings"), [("3.3", 65, 625), ("3.4", 64, 634), ("3.5", 65, 650)]
)
async def test_a_complete_read_equals_the_real_exports(
    release: str, policies: int, settings: int
) -> None:
    folder = EXPORTS / f"windows-v{release}"
    async with graph_double(folder) as double, signed_in(double) as http:
        read = await read_policies(http)
    assert by_id(read) == by_id(read_exports([folder]))
    assert sum(map(len, read.values())) == policies
    assert sum(len(policy.get("settings", ())) for policy in read["configurationPolicies"]) == (
        settings
    )


async def test_a_complete_read_equals_samples_of_every_collection() -> None:
    samples = sample_policies(200, groups=["g1", "g2", "g3"], tags=["0", "7"])
    assert samples.keys() == COLLECTIONS.keys() - {"windowsQualityUpdatePolicies"}
    async with graph_double(policies=samples) as double, signed_in(double) as http:
        read = await read_policies(http)
        assert by_id(read) == by_id(samples)
        assert len(double.requests) == double.policies.least_requests()
        sent = Counter(one.path.split("/")[2] for one in double.requests.log)
        assert sent == {name: double.policies.least_requests([name]) for name in COLLECTIONS}


async def test_pages_to_the_end_are_the_whole_list(http: httpx.AsyncClient) -> None:
    first = (await http.get(CATALOG)).json()
    # The page's number, not the total.
    assert first["@odata.count"] == 2
    assert [one["id"] for one in await read_all(http, CATALOG)] == [*SETTINGS_OF]


async def test_a_page_is_never_larger_than_graphs(http: httpx.AsyncClient) -> None:
    for path, most in ((CATALOG, 2), (f"{CATALOG}/e/settings", 25)):
        assert len((await http.get(path, params={"$top": "1000"})).json()["value"]) == most
        assert len((await http.get(path, params={"$top": "1"})).json()["value"]) == 1


async def test_settings_have_pages_wherever_they_are(http: httpx.AsyncClient) -> None:
    for policy_id, settings in SETTINGS_OF.items():
        assert len(await read_all(http, f"{CATALOG}/{policy_id}/settings")) == settings
        policy = (await http.get(f"{CATALOG}('{policy_id}')?$expand=settings")).json()
        assert len(policy["settings"]) == min(settings, 25)
        rest = policy.get("settings@odata.nextLink")
        assert (rest is not None) == (settings > 25)
        if rest:
            assert len(policy["settings"]) + len(await read_all(http, rest)) == settings


async def test_a_list_that_expands_settings_has_small_pages(http: httpx.AsyncClient) -> None:
    page = (await http.get(f"{CATALOG}?$expand=settings,assignments&$top=2")).json()
    assert len(page["value"]) == 1
    assert [one["id"] for one in await read_all(http, f"{CATALOG}?$expand=settings")] == [
        *SETTINGS_OF
    ]


async def test_a_list_shows_neither_scripts_nor_what_is_not_expanded() -> None:
    script = {"id": "s", "displayName": "Script", "scriptContent": "ZXhpdA==", "assignments": []}
    async with (
        graph_double(policies={"deviceShellScripts": [script]}) as double,
        signed_in(double) as http,
    ):
        (listed,) = await read_all(http, f"{ROOT}/deviceShellScripts")
        assert listed == {"id": "s", "displayName": "Script", "scriptContent": None}
        read = (await http.get(f"{ROOT}/deviceShellScripts/s")).json()
        assert read["scriptContent"] == "ZXhpdA=="


async def test_select_names_what_comes(http: httpx.AsyncClient) -> None:
    page = (await http.get(f"{CATALOG}?$select=id,isAssigned")).json()
    assert page["value"] == [{"id": "a", "isAssigned": False}, {"id": "b", "isAssigned": False}]
    assert "isAssigned" not in (await http.get(f"{CATALOG}/a")).json()


async def test_filter_chooses(http: httpx.AsyncClient) -> None:
    for condition, expected in {
        "name eq 'Policy c'": ["c"],
        "settingCount eq 26": ["d"],
        "id eq 'a' or id eq 'e'": ["a", "e"],
        "startswith(name,'policy') and settingCount ne 0": ["b", "c", "d", "e"],
    }.items():
        first = httpx.URL(f"{http.base_url}{CATALOG}", params={"$filter": condition})
        assert [one["id"] for one in await read_all(http, str(first))] == expected


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{CATALOG}/unknown", 404),
        (f"{CATALOG}/a/unknown", 400),
        (f"{ROOT}/unknown", 400),
        (f"{CATALOG}?$expand=settingDefinitions", 400),
        (f"{CATALOG}?$orderby=name", 400),
        (f"{CATALOG}?$filter=contains(name,'a')", 400),
        (f"{CATALOG}?$skiptoken=made-up", 400),
        (f"{CATALOG}?$top=many", 400),
        (f"{ROOT}/groupPolicyConfigurations?$expand=definitionValues", 400),
        ("/v1.0/deviceManagement/configurationPolicies", 400),
        ("/v2.0/groups", 400),
    ],
)
async def test_what_graph_does_not_have_is_refused(
    http: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await http.get(path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] in ("BadRequest", "ResourceNotFound")


async def test_the_version_1_loses_settings(double: Double, http: httpx.AsyncClient) -> None:
    path = "/deviceManagement/deviceCompliancePolicies"
    (stored,) = double.policies.documents("deviceCompliancePolicies")
    (beta,) = await read_all(http, f"/beta{path}")
    (v1,) = await read_all(http, f"/v1.0{path}")
    assert beta.keys() - v1.keys() == {"defenderEnabled", "roleScopeTagIds", "tpmRequired"}
    assert beta["@odata.type"] == stored["@odata.type"]


async def test_metadata_comes_as_it_is_asked_for(http: httpx.AsyncClient) -> None:
    async def types(path: str, level: str) -> list[Any]:
        accept = f"application/json;odata.metadata={level}"
        page = (await http.get(path, headers={"Accept": accept})).json()["value"]
        return [policy.get("@odata.type", "").rpartition(".")[2] for policy in page]

    compliance = f"{ROOT}/deviceCompliancePolicies"
    assert await types(CATALOG, "full") == ["deviceManagementConfigurationPolicy"] * 2
    # Graph names only a type that is more special than the collection's.
    assert await types(CATALOG, "minimal") == ["", ""]
    assert await types(compliance, "minimal") == ["windows10CompliancePolicy"]
    assert await types(compliance, "none") == [""]
