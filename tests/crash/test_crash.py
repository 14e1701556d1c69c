"""A short seeded round keeps every promise, and the checker sees every planted bug."""

from pathlib import Path

import pytest

from crash.cluster import Plan
from crash.faults import schedule
from crash.mutants import Mutant
from crash.rounds import faults_of, run_round
from crash.scenarios import (
    SCENARIOS,
    Play,
    killed_alone,
    postgres_is_away,
    valkey_restarts,
)
from crash.seeds import seeded
from crash.stage import Stage, open_stage
from crash.witness import Promise, Witness

SEED = 20
FAULT_SECONDS = 12.0
QUIET_SECONDS = 40.0
MUTANT_QUIET_SECONDS = 8.0

SEEN_BY = {
    Mutant.NO_FENCE: Promise.FENCED,
    Mutant.NO_REDISPATCH: Promise.STARTS_END,
    Mutant.PLAIN_SEQUENCE: Promise.NO_GAP,
    Mutant.LATE_NOTIFICATION: Promise.ONE_NOTIFICATION,
    Mutant.LIVE_FIRST: Promise.FOLDED,
}


async def _round(
    folder: Path, plan: Plan, *plays: Play, starters: int, quiet_seconds: float
) -> Witness:
    witness = Witness()

    async def play(stage: Stage) -> None:
        for one in plays:
            await one(stage)

    async with open_stage(folder, plan, witness, seeded(SEED)) as stage:
        await run_round(stage, play, seed=SEED, starters=starters, quiet_seconds=quiet_seconds)
    return witness


async def test_all_promises_are_kept_whatever_fails(tmp_path: Path) -> None:
    faults = schedule(seeded(SEED), FAULT_SECONDS, 0.8)
    told: list[str] = [str(fault) for fault in faults]
    witness = await _round(
        tmp_path,
        Plan(),
        *SCENARIOS.values(),
        faults_of(faults, FAULT_SECONDS, told.append),
        starters=1,
        quiet_seconds=QUIET_SECONDS,
    )
    assert not witness.violations, "\n".join([*told, *witness.report()])
    for figure in ("starts", "duplicates", "kills", "restarts", "reconnects", "messages"):
        assert witness.counts[figure] > 0, figure


async def test_outages_cost_an_idle_system_time_but_no_run(tmp_path: Path) -> None:
    witness = await _round(
        tmp_path,
        Plan(apis=1, workers=2, old_workers=0, maintenances=1),
        killed_alone,
        valkey_restarts,
        postgres_is_away,
        starters=0,
        quiet_seconds=QUIET_SECONDS,
    )
    assert not witness.violations, "\n".join(witness.report())


@pytest.mark.parametrize("mutant", Mutant)
async def test_a_planted_bug_is_seen(tmp_path: Path, mutant: Mutant) -> None:
    plan = Plan(apis=1, workers=2, old_workers=0, maintenances=1, mutant=mutant)
    witness = await _round(
        tmp_path, plan, SCENARIOS[mutant], starters=0, quiet_seconds=MUTANT_QUIET_SECONDS
    )
    assert SEEN_BY[mutant] in witness.violations, "\n".join(witness.report())
