"""Members compare the last two snapshots of a scope and read the findings."""

from uuid import UUID

import pytest

from domain.drift import repository as drift_repository
from domain.drift.models import Comparison, DriftKind
from domain.errors import ForbiddenError, UserErrorCode, UserInputError
from domain.tenancy.roles import TenantRole
from tests.acts import compare_as, drift, policy, sync
from tests.world import World


async def drift_run_count(world: World) -> int:
    rows = await world.rows(
        "SELECT count(*) FROM opsrun.operation_run"
        " WHERE tenant_id = :tenant_id AND run_type = 'drift.generate'"
    )
    return int(rows[0].count)


class TestStarting:
    @pytest.mark.parametrize("syncs", [0, 1])
    async def test_a_comparison_needs_two_snapshots(self, world: World, syncs: int) -> None:
        for _ in range(syncs):
            await sync(world, policy("a"))
        with pytest.raises(UserInputError) as refused:
            await compare_as(world, await world.access(), "prod")
        assert refused.value.code is UserErrorCode.NOT_ENOUGH_SNAPSHOTS
        assert refused.value.argument == "scope_key"
        assert f"'prod' has {syncs}" in refused.value.message
        assert await drift_run_count(world) == 0

    async def test_snapshots_of_another_scope_or_tenant_do_not_count(self, world: World) -> None:
        other = await World.create(world.resources, world.exports)
        await sync(world, policy("a"))
        await sync(world, policy("a"), scope_key="test")
        await sync(other, policy("a"))
        with pytest.raises(UserInputError):
            await compare_as(world, await world.access(), "prod")

    async def test_a_path_is_not_a_scope_key(self, world: World) -> None:
        with pytest.raises(UserInputError) as refused:
            await compare_as(world, await world.access(), "../prod")
        assert refused.value.code is UserErrorCode.INVALID_SCOPE_KEY

    async def test_a_reader_starts_nothing(self, world: World) -> None:
        for _ in range(2):
            await sync(world, policy("a"))
        with pytest.raises(ForbiddenError):
            await compare_as(world, await world.access(TenantRole.READONLY), "prod")
        assert await drift_run_count(world) == 0

    async def test_the_older_of_the_last_two_is_the_baseline(self, world: World) -> None:
        _, baseline, current = [await sync(world, policy("a")) for _ in range(3)]
        started = await compare_as(world, await world.access(), "prod")
        assert started.run.context == {
            "scopeKey": "prod",
            "baselineRunId": str(baseline.id),
            "currentRunId": str(current.id),
        }


class TestReading:
    async def test_findings_are_paged_by_name_and_filtered_by_kind(self, world: World) -> None:
        await sync(world, *(policy(key, displayName="Same") for key in ("r1", "r2", "kept")))
        await sync(world, *(policy(key, displayName="Same") for key in ("a1", "a2", "a3", "kept")))
        run = await drift(world)
        comparison = Comparison.of_context(run.context)
        access = await world.access(TenantRole.READONLY)

        async def collect(kinds: frozenset[DriftKind]) -> list[str]:
            seen: list[str] = []
            after: tuple[str, UUID] | None = None
            while pages := await world.read(
                drift_repository.pages, access, [comparison], kinds=kinds, after=after, limit=2
            ):
                page = pages[comparison]
                seen += [finding.policy_id for finding in page]
                after = (page[-1].policy_name, page[-1].id)
            return seen

        assert sorted(await collect(frozenset())) == ["a1", "a2", "a3", "r1", "r2"]
        assert sorted(await collect(frozenset({DriftKind.ADDED}))) == ["a1", "a2", "a3"]
        assert await collect(frozenset({DriftKind.MODIFIED})) == []
        two_kinds = frozenset({DriftKind.MODIFIED, DriftKind.REMOVED})
        assert sorted(await collect(two_kinds)) == ["r1", "r2"]

    async def test_findings_are_counted_per_comparison(self, world: World) -> None:
        runs = []
        await sync(world, policy("a"))
        for policies in ([policy("b")], [policy("b", minutes=1), policy("c")]):
            await sync(world, *policies)
            runs.append(await drift(world))
        comparisons = [Comparison.of_context(run.context) for run in runs]
        counted = await world.read(drift_repository.counts, await world.access(), comparisons)
        assert counted == {
            comparisons[0]: {DriftKind.ADDED: 1, DriftKind.REMOVED: 1},
            comparisons[1]: {DriftKind.ADDED: 1, DriftKind.MODIFIED: 1},
        }
        assert await world.read(drift_repository.counts, await world.access(), []) == {}

    async def test_another_tenant_reads_no_finding(self, world: World) -> None:
        await sync(world, policy("a"))
        await sync(world, policy("b"))
        comparison = Comparison.of_context((await drift(world)).context)
        pages = await world.read(
            drift_repository.pages,
            await world.access(),
            [comparison],
            kinds=frozenset(),
            after=None,
            limit=10,
        )
        mine = pages[comparison]
        assert len(mine) == 2
        other = await World.create(world.resources, world.exports)
        access = await other.access(TenantRole.OWNER)
        assert await other.read(drift_repository.counts, access, [comparison]) == {}
        assert (
            await other.read(drift_repository.by_ids, access, [finding.id for finding in mine])
            == {}
        )
        theirs = await other.read(
            drift_repository.pages, access, [comparison], kinds=frozenset(), after=None, limit=10
        )
        assert theirs == {}
        by_id = await world.read(drift_repository.by_ids, await world.access(), [mine[0].id])
        assert by_id == {mine[0].id: mine[0]}
