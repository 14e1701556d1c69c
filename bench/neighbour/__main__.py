"""One tenant attacks, another one works: `python -m bench.neighbour`.

Prints for each attack what the neighbour's queries, subscriptions, messages and runs took at the
99th percentile, before and during it, in turns; and the CPU that the attacker used beside the CPU
that it was charged for. The exit code is 1 if the neighbour saw a fault, or waited far too long.
"""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench.neighbour.attacks import ATTACKS, OF_THE_API
from bench.neighbour.bursts import Burst
from bench.neighbour.probe import Probe, Seen, open_probe, p99
from bench.neighbour.stage import ATTACKER, REPOSITORY, Member, Stage, open_stage
from gql.limits.cost import PER_CPU_SECOND
from opsrun.dev.embedded.child import Child, spawn

CALM_SECONDS = 2.0
# What the neighbour must never meet, however noisy the machine of the test is.
_WORST_RUN = 5.0
_WORST_RATIO, _WORST_SECONDS = 10.0, 2.0
_KINDS = ("queries", "openings", "messages", "runs")


@dataclass(slots=True)
class Outcome:
    """What one attack came to."""

    name: str
    before: Seen = field(default_factory=Seen)
    during: Seen = field(default_factory=Seen)
    used_seconds: float = 0.0
    points: int = 0

    def line(self) -> str:
        """Say it in one line."""
        parts = [
            f"{p99(b) * 1000:5.0f} → {p99(d) * 1000:5.0f} ms ({p99(d) / p99(b):4.1f} x)"
            for kind in _KINDS
            for b, d in [(getattr(self.before, kind), getattr(self.during, kind))]
        ]
        charged = self.points / PER_CPU_SECOND
        cost = f"{self.used_seconds:5.1f} s of {charged:5.1f} s charged"
        return f"{self.name:20} {' '.join(parts)} {cost} {len(self.during.faults)} faults"

    def complaints(self) -> list[str]:
        """Return what the neighbour must not meet, and met."""
        found = [f"{self.name}: {fault}" for fault in self.during.faults]
        for kind in _KINDS:
            before, during = p99(getattr(self.before, kind)), p99(getattr(self.during, kind))
            worst = _WORST_RUN if kind == "runs" else max(_WORST_RATIO * before, _WORST_SECONDS)
            if during > worst:
                found.append(f"{self.name}: {kind} took {during:.1f} s instead of {before:.2f}")
        return found


@click.command()
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of each turn.")
@click.option("--turns", type=int, default=1, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(sorted(ATTACKS)))
@click.option("--burst", type=int, default=200, show_default=True, help="Subscriptions at once.")
def main(*, seconds: float, turns: int, only: tuple[str, ...], burst: int) -> None:
    """Run the attacks and print what they came to."""
    folder = Path(tempfile.mkdtemp(prefix="opsrun-neighbour-"))
    folder.chmod(0o711)
    complaints = []
    if attacks := only or tuple(ATTACKS):
        complaints += asyncio.run(_attack(folder / "attacks", seconds, turns, attacks))
    if burst and not only:
        complaints += asyncio.run(_burst(folder / "bursts", burst))
    for complaint in complaints:
        click.echo(complaint)
    if complaints:
        click.echo(f"Logs are in {folder}.")
        sys.exit(1)
    shutil.rmtree(folder)


async def _attack(folder: Path, seconds: float, turns: int, names: tuple[str, ...]) -> list[str]:
    complaints: list[str] = []
    click.echo(f"{'attack':20} p99 before → during, of {', '.join(_KINDS)}; CPU of the API")
    async with open_stage(folder) as stage, open_probe(stage) as probe:
        await probe.measure(CALM_SECONDS)
        for name in names:
            outcome = Outcome(name)
            for _ in range(turns):
                await _turn(stage, probe, outcome, seconds, folder)
            click.echo(outcome.line())
            complaints += outcome.complaints()
    return complaints


async def _burst(folder: Path, size: int) -> list[str]:
    """Have many honest clients come at once, and four times as many come back at once."""
    complaints: list[str] = []
    async with open_stage(folder) as stage:
        for name, many, restart in (("burst", size, False), ("restart", 4 * size, True)):
            burst = Burst(stage)
            seconds = await burst.open(many, restart=restart)
            click.echo(f"{name:20} {many} subscriptions in {seconds:.1f} s")
            complaints += [f"{name}: {fault} ({n} x)" for fault, n in burst.faults.items()]
    return complaints


async def _turn(stage: Stage, probe: Probe, outcome: Outcome, seconds: float, folder: Path) -> None:
    quiet_cpu = stage.cpu_seconds("api")
    outcome.before.add(await probe.measure(seconds))
    quiet_cpu = stage.cpu_seconds("api") - quiet_cpu
    attacker = await stage.new_member(ATTACKER)
    cpu = stage.cpu_seconds("api")
    async with _charged(stage, attacker) as points:
        attack = _begin(stage, outcome.name, attacker, folder)
        try:
            # From its first moment on: its points may last for some seconds only.
            outcome.during.add(await probe.measure(seconds))
        finally:
            await attack.stop()
    cpu = stage.cpu_seconds("api") - cpu
    if outcome.name in {charged.__name__ for charged in OF_THE_API}:
        outcome.used_seconds += max(0.0, cpu - quiet_cpu)
        outcome.points += points[0]
    await probe.measure(CALM_SECONDS)


def _begin(stage: Stage, name: str, attacker: Member, folder: Path) -> Child:
    return spawn(
        name,
        [
            *(sys.executable, "-m", "bench.neighbour.attacks", name),
            *(stage.url, attacker.token, attacker.tenant),
        ],
        account=None,
        folder=REPOSITORY,
        log=folder / f"{name}.log",
        stop_signal=signal.SIGKILL,
    )


@asynccontextmanager
async def _charged(stage: Stage, attacker: Member) -> AsyncIterator[list[int]]:
    """Add up the attacker's points in the one member of the list, minute after minute."""
    total, last = [0], await stage.points(attacker)

    async def watch() -> None:
        nonlocal last
        while True:
            await asyncio.sleep(0.2)
            now = await stage.points(attacker)
            total[0] += now - last if now >= last else now
            last = now

    watching = asyncio.create_task(watch())
    try:
        yield total
        await asyncio.sleep(0.4)
    finally:
        watching.cancel()


if __name__ == "__main__":
    main()
