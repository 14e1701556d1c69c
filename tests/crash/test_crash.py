"""A short seeded round keeps every promise, and the checker detects every planted bug."""

from pathlib import Path

import pytest

from crash.cluster import Plan
from crash.faults import schedule
from crash.mutants import Mutant
from crash.rounds import inject_all, run_round
from crash.scenarios import (
    SCENARIOS,
    Scenario,
    only_worker_dies,
    postgres_is_down,
    valkey_restarts,
)
from crash.seeds import seeded
from crash.stage import Stage, open_stage
from crash.witness import Promise, Witness

SEED = 20
FAULT_SECONDS = 12.0
QUIET_SECONDS = 40.0
MUTANT_QUIET_SECONDS = 8.0

BROKEN_BY = {
    Mutant.NO_FENCE: Promise.FENCED,
    Mutant.NO_REDISPATCH: Promise.STARTS_END,
    Mutant.PLAIN_SEQUENCE: Promise.NO_GAP,
    Mutant.LATE_NOTIFICATION: Promise.ONE_NOTIFICATION,
    Mutant.LIVE_FIRST: Promise.FOLDED,
}


async def _round(
    folder: Path, plan: Plan, *scenarios: Scenario, starters: int, quiet_seconds: float
) -> Witness:
    witness = Witness()

    async def in_sequence(stage: Stage) -> None:
        for scenario in scenarios:
            await scenario(stage)

    async with open_stage(folder, plan, witness, seeded(SEED)) as stage:
        await run_round(
            stage, in_sequence, seed=SEED, starters=starters, quiet_seconds=quiet_seconds
        )
    return witness


async def test_all_promises_are_kept_whatever_fails(tmp_path: Path) -> None:
    faults = schedule(seeded(SEED), FAULT_SECONDS, 0.8)
    lines: list[str] = [str(fault) for fault in faults]
    witness = await _round(
        tmp_path,
        Plan(),
        *SCENARIOS.values(),
        inject_all(faults, FAULT_SECONDS, lines.append),
        starters=1,
        quiet_seconds=QUIET_SECONDS,
    )
    assert not witness.violations, "\n".join([*lines, *witness.report()])
    for name in ("starts", "duplicates", "kills", "restarts", "reconnects", "messages"):
        assert witness.counts[name] > 0, name


async def test_outages_delay_runs_but_lose_none(tmp_path: Path) -> None:
    witness = await _round(
        tmp_path,
        Plan(apis=1, workers=2, old_workers=0, maintenances=1),
        only_worker_dies,
        valkey_restarts,
        postgres_is_down,
        starters=0,
        quiet_seconds=QUIET_SECONDS,
    )
    assert not witness.violations, "\n".join(witness.report())


@pytest.mark.parametrize("mutant", Mutant)
async def test_the_checker_detects_a_planted_bug(tmp_path: Path, mutant: Mutant) -> None:
    plan = Plan(apis=1, workers=2, old_workers=0, maintenances=1, mutant=mutant)
    witness = await _round(
        tmp_path, plan, SCENARIOS[mutant], starters=0, quiet_seconds=MUTANT_QUIET_SECONDS
    )
    assert BROKEN_BY[mutant] in witness.violations, "\n".join(witness.report())
