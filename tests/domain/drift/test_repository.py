"""A finding is written once and read back unchanged."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.drift import repository
from domain.drift.models import ChangeKind, Comparison, DriftKind, NewFinding, SettingChange
from opsrun.postgres.engines import Login
from tests.world import World

COMPARISON = Comparison("prod", uuid4(), uuid4())


def finding(policy_id: str, *changes: SettingChange) -> NewFinding:
    kind = DriftKind.MODIFIED if changes else DriftKind.ADDED
    return NewFinding(policy_id, f"Policy {policy_id}", "demoPolicy", kind, changes)


async def add(
    world: World, run_id: UUID, *findings: NewFinding, comparison: Comparison = COMPARISON
) -> frozenset[str]:
    async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
        return await repository.add(session, run_id, comparison, findings)


async def owners(world: World) -> dict[str, UUID]:
    rows = await world.rows(
        "SELECT policy_id, run_id FROM opsrun.drift_finding WHERE tenant_id = :tenant_id"
    )
    assert len({row.policy_id for row in rows}) == len(rows)
    return {row.policy_id: row.run_id for row in rows}


async def test_a_known_finding_moves_to_the_newest_run(world: World) -> None:
    first, second = (await world.start()).run.id, (await world.start()).run.id
    assert await add(world, first, finding("a"), finding("b")) == {"a", "b"}
    assert await add(world, second, finding("b"), finding("c")) == {"c"}
    assert await owners(world) == {"a": first, "b": second, "c": second}


async def test_the_same_difference_in_another_comparison_is_another_finding(world: World) -> None:
    run_id = (await world.start()).run.id
    await add(world, run_id, finding("a"))
    other = Comparison("prod", COMPARISON.baseline_run_id, uuid4())
    assert await add(world, run_id, finding("a"), comparison=other) == {"a"}


async def test_a_pair_of_runs_is_read_once_whatever_scopes_are_named(world: World) -> None:
    await add(world, (await world.start()).run.id, finding("a"))
    access = await world.access()
    read = [COMPARISON, Comparison("test", COMPARISON.baseline_run_id, COMPARISON.current_run_id)]
    everything: Any = {"kinds": frozenset(), "after": None, "limit": 10}
    pages = await world.read(repository.pages, access, read, **everything)
    assert {key: [f.policy_id for f in page] for key, page in pages.items()} == {COMPARISON: ["a"]}
    counts = await world.read(repository.counts, access, read)
    assert counts == {COMPARISON: {DriftKind.ADDED: 1}}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, False),
        (0, 1.5),
        (2**63, -(2**63)),
        ("", "\u2028 ü 𐀀 \\u0000"),
        ([], [{"": None}]),
        ({"b": 1, "a": [True]}, {}),
        (1e300, 0.1),
    ],
)
async def test_values_are_read_back_unchanged(world: World, old: Any, new: Any) -> None:
    change = SettingChange('settings["a.b"]', ChangeKind.CHANGED, old, new)
    await add(world, (await world.start()).run.id, finding("a", change))
    pages = await world.read(
        repository.pages,
        await world.access(),
        [COMPARISON],
        kinds=frozenset(),
        after=None,
        limit=10,
    )
    (stored,) = pages[COMPARISON]
    (back,) = stored.changes
    assert back == change
    assert (type(back.old), type(back.new)) == (type(old), type(new))
