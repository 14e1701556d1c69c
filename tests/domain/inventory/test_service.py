"""Members sync scopes and read their policies."""

import asyncio
import unicodedata

import pytest

from domain.errors import ForbiddenError, UserErrorCode, UserInputError
from domain.inventory.repository.policies import current_page, current_policies, policy_counts
from domain.inventory.repository.scopes import scopes
from domain.runs.models import StartOutcome
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.acts import export, policy, save_scopes, sync, sync_as
from tests.ledger import policies
from tests.statements import recorded_queries
from tests.world import World


class TestStartingASync:
    @pytest.mark.parametrize(
        "key", ["", "..", "../prod", "a/b", ".hidden", " prod", "x" * 101, "a\0"]
    )
    async def test_a_path_is_not_a_scope_key(self, world: World, key: str) -> None:
        with pytest.raises(UserInputError) as refused:
            await sync_as(world, await world.access(), key)
        assert refused.value.code is UserErrorCode.INVALID_SCOPE_KEY
        assert refused.value.argument == "scope_key"

    async def test_an_unknown_scope_is_a_user_error(self, world: World) -> None:
        await save_scopes(world, "prod")
        access = await world.access()
        with pytest.raises(UserInputError) as refused:
            await sync_as(world, access, "prd")
        assert refused.value.code is UserErrorCode.UNKNOWN_SCOPE
        assert refused.value.argument == "scope_key"
        assert not await world.rows(
            "SELECT 1 FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        )

    async def test_both_unicode_forms_of_a_name_are_one_scope(self, world: World) -> None:
        composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
        run = await sync(world, policy("a"), scope_key=composed)
        access = await world.access()
        started = await sync_as(world, access, decomposed)
        assert started.run.context == run.context == {"scopeKey": composed}
        assert [p.policy_id for p in await policies(world, decomposed)] == ["a"]

    async def test_a_reader_starts_nothing(self, world: World) -> None:
        access = await world.access(TenantRole.READONLY)
        # The role is checked first, so that a reader learns nothing about keys.
        for key in ("prod", "../prod"):
            with pytest.raises(ForbiddenError):
                await sync_as(world, access, key)
        for table in ("operation_run", "outbox", "run_event", "notification"):
            rows = await world.rows(f"SELECT 1 FROM opsrun.{table} WHERE tenant_id = :tenant_id")
            assert rows == []

    async def test_an_active_sync_is_reused_and_a_finished_one_is_not(self, world: World) -> None:
        export(world, policy("a"))
        await save_scopes(world, "prod")
        access = await world.access()
        first = await sync_as(world, access, "prod")
        again = await sync_as(world, access, "prod")
        assert (again.outcome, again.run.id) == (StartOutcome.REUSED_ACTIVE, first.run.id)
        await world.work(first)
        later = await sync_as(world, access, "prod")
        assert later.outcome is StartOutcome.CREATED


class TestReading:
    async def test_there_are_no_policies_before_the_first_sync(self, world: World) -> None:
        access = await world.access(TenantRole.READONLY)
        assert await policies(world) == []
        assert await world.read(scopes, access) == []
        assert await world.read(current_policies, access, [("prod", "a")]) == {}
        assert await world.read(current_policies, access, []) == {}

    async def test_policies_are_paged_by_name(self, world: World) -> None:
        named = {"1": "Same", "2": "Same", "3": "Another", "4": "Zulu", "5": "Same"}
        await sync(world, *(policy(key, displayName=name) for key, name in named.items()))
        access = await world.access(TenantRole.READONLY)
        seen: list[str] = []
        after: tuple[str, str] | None = None
        while page := await world.read(current_page, access, "prod", after=after, limit=2):
            seen += [p.policy_id for p in page]
            after = (page[-1].name, page[-1].policy_id)
        assert seen == ["3", "1", "2", "5", "4"]

    async def test_the_newest_sync_is_the_current_state(self, world: World) -> None:
        await sync(world, policy("a"), policy("b"))
        newest = await sync(world, policy("b"), policy("c"))
        access = await world.access(TenantRole.READONLY)
        assert [p.policy_id for p in await policies(world)] == ["b", "c"]
        keys = [("prod", "a"), ("prod", "b"), ("elsewhere", "b")]
        current = await world.read(current_policies, access, keys)
        assert set(current) == {("prod", "b")}
        assert current["prod", "b"].run_id == newest.id
        assert await world.read(policy_counts, access, [newest.id]) == {newest.id: 2}

    async def test_equal_ids_in_two_scopes_are_two_policies(self, world: World) -> None:
        for scope_key in ("prod", "test"):
            await sync(world, policy("a", displayName=scope_key), scope_key=scope_key)
        keys = [("prod", "a"), ("test", "a")]
        current = await world.read(current_policies, await world.access(), keys)
        assert {key: p.name for key, p in current.items()} == {
            ("prod", "a"): "prod",
            ("test", "a"): "test",
        }
        listed = await world.read(scopes, await world.access())
        assert [scope.key for scope in listed] == ["prod", "test"]

    async def test_each_read_of_current_policies_is_one_query(self, world: World) -> None:
        for scope_key in ("prod", "test", "lab"):
            await sync(world, policy("a"), scope_key=scope_key)
        keys = [(scope_key, "a") for scope_key in ("prod", "test", "lab")]
        access = await world.access()
        with recorded_queries(world.resources[Login.API].engine) as queries:
            current = await world.read(current_policies, access, keys)
            page = await world.read(current_page, access, "lab", after=None, limit=10)
        await asyncio.sleep(0)  # the driver reports a query in the loop's next round
        assert set(current) == set(keys)
        assert [(p.scope_key, p.policy_id) for p in page] == [("lab", "a")]
        assert len(queries) == 2

    async def test_another_tenant_reads_no_policy(self, world: World) -> None:
        run = await sync(world, policy("a"))
        other = await World.create(world.resources, world.exports)
        access = await other.access(TenantRole.OWNER)
        assert await policies(other) == []
        assert await other.read(scopes, access) == []
        assert await other.read(current_policies, access, [("prod", "a")]) == {}
        assert await other.read(policy_counts, access, [run.id]) == {}
