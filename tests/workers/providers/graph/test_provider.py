"""The provider returns every policy of Microsoft Graph, completely and with few requests."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain.inventory.provider import NotTaken, PolicyDocument, ProviderCall
from domain.inventory.scopes import valid_scope_key
from domain.lifecycle import StatusBucket
from domain.runs.models import RunCounts
from domain.tenancy.providers import GraphScopes
from opsrun.postgres.engines import Login
from tests.acts import drift, sync
from tests.graph import Double
from tests.graph.exports import read_exports
from tests.graph.faults import OtherOrder
from tests.graph.policy_collections import COLLECTIONS
from tests.graph.reading import by_id
from tests.graph.samples import sample_policies
from tests.graph.test_policies import catalog_policy
from tests.ledger import findings, policies
from tests.workers.providers.graph.reading import settings_for
from tests.workers.providers.graph.tenants import emulated, read_from_graph
from tests.world import World
from workers.providers.graph.areas import Area
from workers.providers.graph.policy_types import POLICY_TYPES
from workers.providers.graph.provider import ALL, GraphProvider
from workers.providers.graph.reading import GROUP
from workers.providers.graph.scopes import tag_keys

EXPORTS = Path(__file__).parents[5] / "shared" / "data" / "policy-exports"
RELEASES = ["3.3", "3.4", "3.5"]
needs_exports = pytest.mark.skipif(not EXPORTS.is_dir(), reason="the real exports are not here")


Provide = Callable[..., GraphProvider]


@pytest.fixture
def provider_of(world: World) -> Provide:
    """Return a provider over a double."""
    transactions = world.resources[Login.MAINTENANCE].transactions

    def provide(double: Double, scopes: GraphScopes = GraphScopes.ALL) -> GraphProvider:
        call = ProviderCall.without_run(transactions, world.tenant_id)
        return GraphProvider(settings_for(double, scopes=scopes), call)

    return provide


async def read(
    provider: GraphProvider, scope_key: str = ALL
) -> dict[str, dict[str, Any] | NotTaken]:
    """Return everything in a scope by key."""
    items: dict[str, dict[str, Any] | NotTaken] = {}
    async for batch in provider.policies(scope_key):
        assert len(batch) <= GROUP
        for item in batch:
            assert item.key not in items
            items[item.key] = item if isinstance(item, NotTaken) else orjson.loads(item.content)
    return items


def by_collection(
    items: Mapping[str, dict[str, Any] | NotTaken],
) -> Mapping[str, Sequence[dict[str, Any]]]:
    collections: dict[str, list[dict[str, Any]]] = {}
    for key, body in items.items():
        assert isinstance(body, dict), body
        collections.setdefault(key.partition("/")[0], []).append(body)
    return collections


def test_every_collection_has_a_row() -> None:
    assert POLICY_TYPES.keys() == COLLECTIONS.keys()
    assert [*POLICY_TYPES] == sorted(POLICY_TYPES)


@needs_exports
@pytest.mark.parametrize("release", RELEASES)
async def test_every_policy_of_the_real_exports_is_read_completely(
    monkeypatch: pytest.MonkeyPatch, provider_of: Provide, release: str
) -> None:
    exports = read_exports([EXPORTS / f"windows-v{release}"])
    async with emulated(monkeypatch, exports) as double:
        items = by_collection(await read(provider_of(double)))
        assert by_id(items) == by_id(exports)
        types = {one["id"]: one["@odata.type"] for some in exports.values() for one in some}
        assert types == {one["id"]: one["@odata.type"] for some in items.values() for one in some}


async def test_every_policy_of_each_collection_is_read_with_few_requests(
    monkeypatch: pytest.MonkeyPatch,
    provider_of: Provide,
) -> None:
    samples = sample_policies(400, groups=["g1", "g2", "g3"], tags=["0", "7"])
    async with emulated(monkeypatch, samples) as double:
        items = by_collection(await read(provider_of(double)))
        assert by_id(items) == by_id(samples)
        assert len(double.requests) <= 1.2 * double.policies.least_requests()
        assert {one.version for one in double.requests.log} == {"beta"}


async def test_long_lists_below_a_policy_are_read_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
    provider_of: Provide,
) -> None:
    assignments = [
        {"id": f"a{number}", "target": {"groupId": str(number)}} for number in range(230)
    ]
    policy = catalog_policy("p1", 77, assignments=assignments)
    async with emulated(monkeypatch, {"configurationPolicies": [policy]}) as double:
        body = (await read(provider_of(double)))["configurationPolicies/p1"]
        assert body == policy


@needs_exports
async def test_a_tenant_moves_from_a_folder_to_graph_without_drift(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = EXPORTS / "windows-v3.5"
    shutil.copytree(folder, world.exports / ALL, copy_function=shutil.copyfile)
    assert (await sync(world, scope_key=ALL)).counts == RunCounts(65, 65, 0, 0)
    before = {(one.policy_id, one.name, one.policy_type) for one in await policies(world, ALL)}
    async with emulated(monkeypatch, read_exports([folder])) as double:
        double.faults.add("*/assignments", OtherOrder(), times=None)
        await read_from_graph(world, double)
        run = await sync(world, scope_key=ALL)
        assert run.counts == RunCounts(65, 65, 0, 0)
        requests = {one.client_request_id for one in double.requests.log}
        assert requests == {str(run.id)}
    assert {
        (one.policy_id, one.name, one.policy_type) for one in await policies(world, ALL)
    } == before
    compared = await drift(world, ALL)
    assert compared.status_bucket is StatusBucket.SUCCEEDED
    assert await findings(world, compared) == {}


async def test_scopes_by_type_need_no_request(
    monkeypatch: pytest.MonkeyPatch, provider_of: Provide
) -> None:
    async with emulated(monkeypatch, sample_policies(60)) as double:
        assert await provider_of(double).scopes() == [ALL]
        provider = provider_of(double, GraphScopes.TYPE)
        assert await provider.scopes() == [*POLICY_TYPES]
        assert len(double.requests) == 0
        read_types = [by_collection(await read(provider, key)) for key in POLICY_TYPES]
        assert all(one.keys() <= {key} for key, one in zip(POLICY_TYPES, read_types, strict=True))
        everything = by_collection(await read(provider_of(double)))
        assert {key: some for one in read_types for key, some in one.items()} == everything


async def test_scopes_by_scope_tag_hold_the_policies_of_the_tag(
    monkeypatch: pytest.MonkeyPatch,
    provider_of: Provide,
) -> None:
    catalog = [
        catalog_policy("none", 1),
        catalog_policy("default", 1, roleScopeTagIds=["0"]),
        catalog_policy("both", 1, roleScopeTagIds=["0", "7"]),
        catalog_policy("seven", 1, roleScopeTagIds=["7"]),
    ]
    filters = [
        {"id": "f", "displayName": "Filter", "roleScopeTags": ["7"]},
        {"id": "g", "displayName": "Filter", "roleScopeTags": ["8"]},
    ]
    tags = [
        {"id": "0", "displayName": "Default"},
        {"id": "7", "displayName": "Sales/EU"},
        {"id": "8", "displayName": "Empty"},
    ]
    collections = {
        "configurationPolicies": catalog,
        "assignmentFilters": filters,
        "roleScopeTags": tags,
    }
    async with emulated(monkeypatch, collections) as double:
        provider = provider_of(double, GraphScopes.SCOPE_TAG)
        assert await provider.scopes() == ["Default", "Empty", "Sales-EU-7"]
        assert len(double.requests) == 1
        tag_7 = await read(provider, "Sales-EU-7")
        assert tag_7.keys() == {
            "assignmentFilters/f",
            "configurationPolicies/both",
            "configurationPolicies/seven",
        }
        # Details of other policies are not read.
        assert double.requests.to("*/settings") == 2
        default = {key for key in await read(provider, "Default") if "roleScopeTags" not in key}
        assert default == {f"configurationPolicies/{name}" for name in ("none", "default", "both")}


def test_the_keys_of_scope_tags_are_valid_and_different() -> None:
    names = {
        "0": "Default",
        "1": "a/b",
        "2": "a:b",
        "3": "a-b-1",
        "4": "Zu\u0308rich",
        "5": "Z\u00fcrich",
        "6": "",
        "7": "///",
        "8": "x" * 300,
        "9": ".hidden",
        "10": "Default",
    }
    keys = tag_keys([{"id": tag, "displayName": name} for tag, name in names.items()])
    assert sorted(keys.values()) == sorted(names)
    assert all(map(valid_scope_key, keys))
    assert {tag: key for key, tag in keys.items()} == {
        "0": "Default",
        "1": "tag-1-1",
        "2": "a-b-2",
        "3": "a-b-1",
        "4": "Z\u00fcrich",
        "5": "Z-rich-5",
        "6": "tag-6",
        "7": "tag-7",
        "8": f"{'x' * 40}-8",
        "9": "hidden-9",
        "10": "Default-10",
    }


async def test_5000_policies_take_few_requests_and_little_memory(
    monkeypatch: pytest.MonkeyPatch, provider_of: Provide
) -> None:
    samples = sample_policies(5000, groups=["g1", "g2", "g3"], tags=["0", "7"])
    read_keys: set[str] = set()
    largest = 0
    async with emulated(monkeypatch, samples, page_size=100) as double:
        # The budgets would make this take minutes; test_budgets.py has them.
        monkeypatch.setattr(Area, "limit", 1_000_000)
        provider = provider_of(double)
        async for batch in provider.policies(ALL):
            documents = [item for item in batch if isinstance(item, PolicyDocument)]
            assert len(documents) == len(batch)
            largest = max(largest, sum(len(document.content) for document in documents))
            read_keys |= {document.key for document in documents}
        least = double.policies.least_requests()
        assert len(double.requests) <= 1.2 * least
        assert double.requests.batches <= len(double.requests) / 15
    assert len(read_keys) == sum(map(len, samples.values()))
    assert largest < 8 * 1024 * 1024
