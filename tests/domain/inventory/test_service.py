"""What members may do with the inventory and what they see of it."""

import unicodedata

import pytest

from domain.errors import ForbiddenError, UserErrorCode, UserInputError
from domain.inventory.repository.policies import current_page, current_policies, policy_counts
from domain.inventory.repository.scopes import scopes
from domain.runs.models import StartOutcome
from domain.tenancy.roles import TenantRole
from tests.working import export, know_scopes, policies, policy, sync
from tests.world import World


class TestStartingASync:
    @pytest.mark.parametrize(
        "key", ["", "..", "../prod", "a/b", ".hidden", " prod", "x" * 101, "a\0"]
    )
    async def test_a_scope_key_never_leads_elsewhere(self, world: World, key: str) -> None:
        with pytest.raises(UserInputError) as refused:
            await world.cases.inventory.start_sync(await world.access(), key)
        assert refused.value.code is UserErrorCode.INVALID_SCOPE_KEY
        assert refused.value.argument == "scope_key"

    async def test_a_scope_that_was_never_seen_is_a_mistake_of_the_user(self, world: World) -> None:
        await know_scopes(world, "prod")
        access = await world.access()
        with pytest.raises(UserInputError) as refused:
            await world.cases.inventory.start_sync(access, "prd")
        assert refused.value.code is UserErrorCode.UNKNOWN_SCOPE
        assert refused.value.argument == "scope_key"
        assert not await world.rows(
            "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        )

    async def test_either_spelling_of_a_scope_is_the_same_one(self, world: World) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
        run = await sync(world, policy("a"), scope_key=composed)
        access = await world.access()
        started = await world.cases.inventory.start_sync(access, decomposed)
        assert started.run.context == run.context == {"scopeKey": composed}
        assert [p.policy_id for p in await policies(world, decomposed)] == ["a"]

    async def test_a_reader_may_not(self, world: World) -> None:
        access = await world.access(TenantRole.READONLY)
        # The role comes first: a reader learns nothing about keys.
        for key in ("prod", "../prod"):
            with pytest.raises(ForbiddenError):
                await world.cases.inventory.start_sync(access, key)
        for table in ("operation_run", "outbox", "run_event", "notification"):
            rows = await world.rows(f"SELECT 1 FROM opsrun.{table} WHERE tenant_id = :tenant_id")
            assert rows == []

    async def test_an_active_sync_is_reused_and_a_finished_one_is_not(self, world: World) -> None:
        export(world, policy("a"))
        await know_scopes(world, "prod")
        access = await world.access()
        first = await world.cases.inventory.start_sync(access, "prod")
        again = await world.cases.inventory.start_sync(access, "prod")
        assert (again.outcome, again.run.id) == (StartOutcome.REUSED_ACTIVE, first.run.id)
        await world.work(first)
        later = await world.cases.inventory.start_sync(access, "prod")
        assert later.outcome is StartOutcome.CREATED


class TestReading:
    async def test_nothing_before_the_first_sync(self, world: World) -> None:
        access = await world.access(TenantRole.READONLY)
        assert await policies(world) == []
        assert await world.read(scopes, access) == []
        assert await world.read(current_policies, access, [("prod", "a")]) == {}
        assert await world.read(current_policies, access, []) == {}

    async def test_policies_come_by_name_in_pages(self, world: World) -> None:
        named = {"1": "Same", "2": "Same", "3": "Another", "4": "Zulu", "5": "Same"}
        await sync(world, *(policy(key, displayName=name) for key, name in named.items()))
        access = await world.access(TenantRole.READONLY)
        found: list[str] = []
        after: tuple[str, str] | None = None
        while page := await world.read(current_page, access, "prod", after=after, limit=2):
            found += [p.policy_id for p in page]
            after = (page[-1].name, page[-1].policy_id)
        assert found == ["3", "1", "2", "5", "4"]

    async def test_the_newest_sync_is_the_current_state(self, world: World) -> None:
        await sync(world, policy("a"), policy("b"))
        newest = await sync(world, policy("b"), policy("c"))
        access = await world.access(TenantRole.READONLY)
        assert [p.policy_id for p in await policies(world)] == ["b", "c"]
        wanted = [("prod", "a"), ("prod", "b"), ("elsewhere", "b")]
        found = await world.read(current_policies, access, wanted)
        assert set(found) == {("prod", "b")}
        assert found["prod", "b"].run_id == newest.id
        assert await world.read(policy_counts, access, [newest.id]) == {newest.id: 2}

    async def test_equal_keys_of_two_scopes_are_two_policies(self, world: World) -> None:
        for scope_key in ("prod", "test"):
            await sync(world, policy("a", displayName=scope_key), scope_key=scope_key)
        keys = [("prod", "a"), ("test", "a")]
        found = await world.read(current_policies, await world.access(), keys)
        assert {key: p.name for key, p in found.items()} == {
            ("prod", "a"): "prod",
            ("test", "a"): "test",
        }
        listed = await world.read(scopes, await world.access())
        assert [scope.key for scope in listed] == ["prod", "test"]

    async def test_another_tenant_sees_none_of_it(self, world: World) -> None:
        run = await sync(world, policy("a"))
        other = await World.create(world.resources, world.exports)
        access = await other.access(TenantRole.OWNER)
        assert await policies(other) == []
        assert await other.read(scopes, access) == []
        assert await other.read(current_policies, access, [("prod", "a")]) == {}
        assert await other.read(policy_counts, access, [run.id]) == {}
