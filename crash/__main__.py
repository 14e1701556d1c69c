"""Break the product on purpose: `python -m crash --seed 7 --minutes 10`.

The seed determines the schedule of faults, which is printed. The exit code is 1 if a promise was
broken; then the last line shows where data and logs are.
"""

import asyncio
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

import click

from crash.cluster import Plan
from crash.faults import KINDS, schedule
from crash.mutants import Mutant
from crash.rounds import inject_all, run_round
from crash.seeds import seeded
from crash.stage import open_stage
from crash.witness import Witness

QUIET_SECONDS = 60.0


@click.command()
@click.option("--seed", type=int, help="Draw the same faults again.")
@click.option("--minutes", type=float, default=1.0, show_default=True)
@click.option("--pause", type=float, default=2.0, show_default=True, help="Between two faults.")
@click.option("--only", multiple=True, type=click.Choice(sorted(KINDS)), help="Only such faults.")
@click.option("--mutant", type=click.Choice(list(Mutant)), help="Plant a bug, which must show.")
@click.option("--keep", is_flag=True, help="Keep data and logs in any case.")
def main(
    *,
    seed: int | None,
    minutes: float,
    pause: float,
    only: tuple[str, ...],
    mutant: Mutant | None,
    keep: bool,
) -> None:
    """Run one round and print its results."""
    seed = SystemRandom().getrandbits(32) if seed is None else seed
    seconds = minutes * 60
    faults = schedule(seeded(seed), seconds, pause, only)
    click.echo(f"Seed {seed}:")
    for fault in faults:
        click.echo(str(fault))
    witness = Witness()
    folder = Path(tempfile.mkdtemp(prefix="opsrun-crash-"))
    folder.chmod(0o711)
    logging.basicConfig(filename=folder / "clients.log")

    async def run() -> None:
        async with open_stage(folder, Plan(mutant=mutant), witness, seeded(seed)) as stage:
            scenario = inject_all(faults, seconds, click.echo)
            await run_round(stage, scenario, seed=seed, starters=3, quiet_seconds=QUIET_SECONDS)

    asyncio.run(run())
    for line in witness.report():
        click.echo(line)
    if keep or witness.violations:
        click.echo(f"Data and logs are in {folder}.")
    else:
        shutil.rmtree(folder)
    sys.exit(1 if witness.violations else 0)


if __name__ == "__main__":
    main()
