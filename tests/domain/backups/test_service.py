"""Members create and fill backup sets as far as their roles allow."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from domain.backups import repository as backups_repository
from domain.backups.models import BackedUpPolicy
from domain.backups.run_type import MAX_POLICIES
from domain.backups.service import MAX_NAME_LENGTH
from domain.errors import BadInputError, ForbiddenError, UserErrorCode, UserInputError
from domain.runs.models import StartOutcome
from domain.tenancy.roles import TenantRole
from tests.acts import add_as, back_up, backup_set, policy, sync
from tests.ledger import count_rows, failures
from tests.world import World


class TestCreating:
    async def test_a_manager_creates_an_empty_set(self, world: World) -> None:
        access = await world.access(TenantRole.MANAGER)
        created = await world.cases.backups.create_set(access, "  Weekly \t")
        assert (created.name, created.policy_count) == ("Weekly", 0)
        assert created.created_by_name == access.user_name
        assert await world.read(backups_repository.by_ids, access, [created.id]) == {
            created.id: created
        }

    @pytest.mark.parametrize("role", [TenantRole.OPERATOR, TenantRole.READONLY])
    async def test_lower_roles_create_none(self, world: World, role: TenantRole) -> None:
        access = await world.access(role)
        # The role is checked first, so that a refusal reveals nothing about names.
        for name in ("Weekly", ""):
            with pytest.raises(ForbiddenError):
                await world.cases.backups.create_set(access, name)
        assert await world.read(backups_repository.page, access, after=None, limit=10) == []

    @pytest.mark.parametrize("name", ["", " \t ", "x" * (MAX_NAME_LENGTH + 1), "a\nb", "a\x00b"])
    async def test_a_name_is_short_and_printable(self, world: World, name: str) -> None:
        with pytest.raises(UserInputError) as refused:
            await backup_set(world, name)
        assert refused.value.code is UserErrorCode.INVALID_NAME
        assert refused.value.argument == "name"

    async def test_two_sets_cannot_share_a_name(self, world: World) -> None:
        results = await asyncio.gather(
            *(backup_set(world, "Weekly") for _ in range(5)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, UserInputError)]
        assert {error.code for error in refused} == {UserErrorCode.NAME_TAKEN}
        assert len(refused) == 4

    async def test_another_tenant_may_have_the_same_name(self, world: World) -> None:
        other = await World.create(world.resources, world.exports)
        mine, theirs = await backup_set(world), await backup_set(other)
        assert await other.read(backups_repository.by_ids, await other.access(), [mine.id]) == {}
        assert [
            s.id
            for s in await world.read(
                backups_repository.page, await world.access(), after=None, limit=9
            )
        ] == [mine.id]
        assert theirs.id != mine.id


class TestStartingToAdd:
    async def test_the_same_policies_in_any_order_are_one_run(self, world: World) -> None:
        target, access = await backup_set(world), await world.access()
        chosen = [("prod", "b"), ("prod", "a"), ("prod", "b")]
        first = await add_as(world, access, target.id, chosen)
        again = await add_as(world, access, target.id, sorted(set(chosen)))
        assert (again.outcome, again.run.id) == (StartOutcome.REUSED_ACTIVE, first.run.id)
        assert first.run.context == {
            "backupSetId": str(target.id),
            "policies": [["prod", "a"], ["prod", "b"]],
        }

    async def test_a_reader_starts_nothing(self, world: World) -> None:
        target = await backup_set(world)
        access = await world.access(TenantRole.READONLY)
        with pytest.raises(ForbiddenError):
            await add_as(world, access, target.id, [("prod", "a")])
        assert (await count_rows(world))["operation_run"] == 0

    @pytest.mark.parametrize(
        ("policies", "code"),
        [
            ([], UserErrorCode.NO_POLICIES),
            (
                [("prod", str(number)) for number in range(MAX_POLICIES + 1)],
                UserErrorCode.TOO_MANY_POLICIES,
            ),
        ],
    )
    async def test_a_request_has_at_least_one_policy_and_a_maximum(
        self, world: World, policies: list[tuple[str, str]], code: UserErrorCode
    ) -> None:
        target = await backup_set(world)
        with pytest.raises(UserInputError) as refused:
            await add_as(world, await world.access(), target.id, policies)
        assert refused.value.code is code
        assert (await count_rows(world))["operation_run"] == 0

    async def test_the_largest_request_runs(self, world: World) -> None:
        run = await back_up(world, await backup_set(world), *map(str, range(MAX_POLICIES)))
        assert run.counts.failed == MAX_POLICIES

    async def test_an_unknown_set_or_one_of_another_tenant_is_refused(self, world: World) -> None:
        other = await World.create(world.resources, world.exports)
        for set_id in (uuid4(), (await backup_set(other)).id):
            with pytest.raises(UserInputError) as refused:
                await add_as(world, await world.access(), set_id, [("prod", "a")])
            assert refused.value.code is UserErrorCode.BACKUP_SET_NOT_FOUND
            assert refused.value.argument == "backup_set_id"
        assert (await count_rows(world))["operation_run"] == 0

    @pytest.mark.parametrize(
        "policy_key", [("prod", "x" * 201), ("p" * 101, "a"), ("../prod", "a"), ("", "a")]
    )
    async def test_a_policy_key_that_no_inventory_can_hold_is_bad_input(
        self, world: World, policy_key: tuple[str, str]
    ) -> None:
        target = await backup_set(world)
        with pytest.raises(BadInputError):
            await add_as(world, await world.access(), target.id, [policy_key])
        assert (await count_rows(world))["operation_run"] == 0

    async def test_the_longest_valid_keys_are_accepted(self, world: World) -> None:
        longest = "".join(map(chr, range(0x20000, 0x20000 + 200)))
        run = await back_up(world, await backup_set(world), longest, scope_key=longest[:100])
        assert set(await failures(world, run)) == {f"{longest[:100]}/{longest}"}


class TestReading:
    async def test_sets_come_newest_first_in_pages(self, world: World) -> None:
        created = [await backup_set(world, f"Set {number}") for number in range(3)]
        access = await world.access(TenantRole.READONLY)
        first = await world.read(backups_repository.page, access, after=None, limit=2)
        last = (first[-1].created_at, first[-1].id)
        rest = await world.read(backups_repository.page, access, after=last, limit=2)
        assert [*first, *rest] == created[::-1]

    async def test_copies_come_by_name_in_pages(self, world: World) -> None:
        await sync(world, *(policy(policy_id, displayName="Same") for policy_id in "cab"))
        target = await backup_set(world)
        await back_up(world, target, *"abc")
        access = await world.access(TenantRole.READONLY)

        async def copies(after: tuple[str, str, str] | None) -> Sequence[BackedUpPolicy]:
            pages = await world.read(
                backups_repository.policies, access, [target.id], after=after, limit=2
            )
            return pages[target.id]

        first = await copies(None)
        rest = await copies((first[-1].name, first[-1].scope_key, first[-1].policy_id))
        assert [copy.policy_id for copy in (*first, *rest)] == ["a", "b", "c"]
        (counted,) = (await world.read(backups_repository.by_ids, access, [target.id])).values()
        assert counted.policy_count == 3
