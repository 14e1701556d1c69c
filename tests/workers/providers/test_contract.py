"""What every provider promises to `inventory.sync`, whatever it reads."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from domain.inventory.duplicates import duplicates
from domain.inventory.models import PolicyRecord
from domain.inventory.provider import InventoryProvider, NotTaken, ProviderCall
from domain.inventory.records import prepare
from domain.inventory.scopes import valid_scope_key
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.providers import DirectorySettings, ProviderSettings
from opsrun.postgres.engines import Login
from tests.graph import Double
from tests.graph.faults import error
from tests.workers.providers.graph.reading import settings_for
from tests.workers.providers.graph.tenants import emulated
from tests.world import World
from workers.providers import provider_of

SCOPE = "all"
MANY = 1200
MOST = 512


class Source(Protocol):
    """What a provider reads, with one scope."""

    settings: ProviderSettings

    def put(self, policy_id: str, name: str | None = "A policy", *, copy: bool = False) -> None:
        """Add a policy, or a second one with the same id; without a name it is a bad one."""
        ...

    def take_away(self) -> None:
        """Make everything unavailable."""
        ...


class Folder:
    def __init__(self, root: Path) -> None:
        self.settings: ProviderSettings = DirectorySettings(str(root))
        self._root = root
        (root / SCOPE).mkdir()

    def put(self, policy_id: str, name: str | None = "A policy", *, copy: bool = False) -> None:
        body = {"@odata.type": "#microsoft.graph.intent", "id": policy_id, "displayName": name}
        file = f"{policy_id} (copy).json" if copy else f"{policy_id}.json"
        (self._root / SCOPE / file).write_text(json.dumps(body))

    def take_away(self) -> None:
        self._root.rename(self._root.parent / "away")


class Graph:
    def __init__(self, double: Double) -> None:
        self.settings: ProviderSettings = settings_for(double)
        self._double = double

    def put(self, policy_id: str, name: str | None = "A policy", *, copy: bool = False) -> None:
        collection = "deviceConfigurations" if copy else "deviceEnrollmentConfigurations"
        body: dict[str, Any] = {"id": policy_id, "displayName": name, "assignments": []}
        self._double.policies.put(collection, [body])

    def take_away(self) -> None:
        self._double.faults.add("*", error(503), times=None)


@pytest.fixture(params=["directory", "graph"])
async def source(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Source]:
    if request.param == "directory":
        root = tmp_path / "exports"
        root.mkdir()
        yield Folder(root)
        return
    async with emulated(monkeypatch, page_size=100) as double:
        yield Graph(double)


@pytest.fixture
def provide(source: Source, world: World) -> Callable[[], InventoryProvider]:
    """Return a new provider over the source, as each run gets one."""
    transactions = world.resources[Login.MAINTENANCE].transactions
    call = ProviderCall.without_run(transactions, world.tenant_id)
    return lambda: provider_of(source.settings, call)


Provide = Callable[[], InventoryProvider]
Items = dict[str, PolicyRecord | NotTaken]


async def read(provider: InventoryProvider, scope_key: str = SCOPE) -> Items:
    """Return the items of a scope by key, as a sync records them."""
    items: Items = {}
    async for batch in provider.policies(scope_key):
        assert 0 < len(batch) <= MOST
        for item in prepare(batch)[0]:
            assert item.key not in items
            items[item.key] = item
    return items


def ids(items: Items) -> list[str]:
    return sorted(item.policy_id for item in items.values() if isinstance(item, PolicyRecord))


async def test_each_policy_comes_once_under_a_stable_key(source: Source, provide: Provide) -> None:
    names = [f"p{number:04}" for number in range(MANY)]
    for name in names:
        source.put(name)
    first, second = await read(provide()), await read(provide())
    assert ids(first) == names
    assert {key: item.hashes for key, item in first.items() if isinstance(item, PolicyRecord)} == {
        key: item.hashes for key, item in second.items() if isinstance(item, PolicyRecord)
    }
    source.put("p0000", "Renamed")
    assert (await read(provide())).keys() == first.keys()


async def test_an_empty_scope_has_no_items(provide: Provide) -> None:
    assert await read(provide()) == {}


async def test_scopes_are_sorted_valid_and_readable(source: Source, provide: Provide) -> None:
    source.put("p1")
    scopes = await provide().scopes()
    assert [*scopes] == sorted(scopes)
    assert SCOPE in scopes
    assert all(map(valid_scope_key, scopes))


async def test_a_bad_policy_is_one_failed_item(source: Source, provide: Provide) -> None:
    source.put("good")
    source.put("bad", None)
    items = await read(provide())
    (failed,) = [item for item in items.values() if isinstance(item, NotTaken)]
    assert failed.failure is not None
    assert failed.failure.reason == FailureReason.INVALID_POLICY
    assert "bad" in failed.key
    assert ids(items) == ["good"]


async def test_two_policies_with_one_id_come_under_two_keys(
    source: Source, provide: Provide
) -> None:
    source.put("p1")
    source.put("p1", copy=True)
    items = await read(provide())
    assert ids(items) == ["p1", "p1"]
    twice = duplicates(item for item in items.values() if isinstance(item, PolicyRecord))
    assert twice.keys() == items.keys()


async def test_an_unknown_scope_is_an_error(source: Source, provide: Provide) -> None:
    source.put("p1")
    with pytest.raises(ProducerError) as caught:
        await read(provide(), "unknown")
    assert caught.value.reason == FailureReason.SCOPE_NOT_FOUND


async def test_a_provider_that_is_away_is_unavailable(source: Source, provide: Provide) -> None:
    source.put("p1")
    source.take_away()
    with pytest.raises(ProducerError) as caught:
        await read(provide())
    assert caught.value.reason == FailureReason.PROVIDER_UNAVAILABLE
