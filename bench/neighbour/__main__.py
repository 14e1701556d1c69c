"""Measure how much an attacking tenant slows down its neighbour: `python -m bench.neighbour`.

Prints for each attack the 99th percentile of the neighbour's queries, subscriptions, messages and
runs, before and during the attack. Beside it stand the CPU seconds that the attacker used and
those that its cost stands for. The exit code is 1 if the neighbour met an error or waited too long.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from bench.neighbour.attacks import API_ATTACKS, ATTACKS
from bench.neighbour.bursts import Burst
from bench.neighbour.clients import Member
from bench.neighbour.probe import Measurements, Probe, open_probe, p99
from bench.neighbour.stage import ATTACKER, Stage, open_stage
from crash.spawning import spawn_module
from gql.limits.cost import PER_CPU_SECOND

CALM_SECONDS = 2.0
# Limits that hold on a busy test machine too.
_MAX_RUN_SECONDS = 5.0
_MAX_RATIO, _MAX_SECONDS = 10.0, 2.0
_KINDS = ("queries", "openings", "messages", "runs")


@dataclass(slots=True)
class Outcome:
    """The measurements of one attack."""

    name: str
    before: Measurements = field(default_factory=Measurements)
    during: Measurements = field(default_factory=Measurements)
    cpu_seconds: float = 0.0
    cost: int = 0

    def line(self) -> str:
        """Return them as a line."""
        parts = [
            f"{before * 1000:5.0f} → {during * 1000:5.0f} ms ({during / before:4.1f} x)"
            for before, during in map(self._p99, _KINDS)
        ]
        cost = f"{self.cpu_seconds:5.1f} s of {self.cost / PER_CPU_SECOND:5.1f} s"
        return f"{self.name:20} {' '.join(parts)} {cost} {len(self.during.errors)} errors"

    def violations(self) -> list[str]:
        """Return the errors of the neighbour, and the waits beyond the limits."""
        violations = [f"{self.name}: {error}" for error in self.during.errors]
        for kind in _KINDS:
            before, during = self._p99(kind)
            limit = _MAX_RUN_SECONDS if kind == "runs" else max(_MAX_RATIO * before, _MAX_SECONDS)
            if during > limit:
                took = f"{kind} took {during:.1f} s instead of {before:.2f}"
                violations.append(f"{self.name}: {took}")
        return violations

    def _p99(self, kind: str) -> tuple[float, float]:
        return p99(getattr(self.before, kind)), p99(getattr(self.during, kind))


@click.command()
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of each turn.")
@click.option("--turns", type=int, default=1, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(sorted(ATTACKS)))
@click.option("--burst", type=int, default=200, show_default=True, help="Subscriptions at once.")
def main(*, seconds: float, turns: int, only: tuple[str, ...], burst: int) -> None:
    """Run the attacks and print what the neighbour measured."""
    folder = Path(tempfile.mkdtemp(prefix="opsrun-neighbour-"))
    folder.chmod(0o711)
    violations = asyncio.run(_attack(folder / "attacks", seconds, turns, only or tuple(ATTACKS)))
    if burst and not only:
        violations += asyncio.run(_burst(folder / "bursts", burst))
    for violation in violations:
        click.echo(violation)
    if violations:
        click.echo(f"Logs are in {folder}.")
        sys.exit(1)
    shutil.rmtree(folder)


async def _attack(folder: Path, seconds: float, turns: int, names: tuple[str, ...]) -> list[str]:
    violations: list[str] = []
    click.echo(
        f"{'attack':20} p99 before → during, of {', '.join(_KINDS)}; CPU used, of its cost in CPU"
    )
    async with open_stage(folder) as stage, open_probe(stage) as probe:
        await probe.measure(CALM_SECONDS)
        for name in names:
            outcome = Outcome(name)
            for _ in range(turns):
                await _measure_attack(stage, probe, outcome, seconds, folder)
            click.echo(outcome.line())
            violations += outcome.violations()
    return violations


async def _burst(folder: Path, size: int) -> list[str]:
    """Let many honest clients connect at once, and four times as many reconnect at once."""
    violations: list[str] = []
    async with open_stage(folder) as stage:
        for name, count, restart in (("burst", size, False), ("restart", 4 * size, True)):
            burst = Burst(stage)
            seconds = await burst.open(count, restart=restart)
            click.echo(f"{name:20} {count} subscriptions in {seconds:.1f} s")
            violations += [f"{name}: {error} ({n} x)" for error, n in burst.errors.items()]
    return violations


async def _measure_attack(
    stage: Stage, probe: Probe, outcome: Outcome, seconds: float, folder: Path
) -> None:
    calm_cpu = stage.cpu_seconds("api")
    outcome.before.add(await probe.measure(seconds))
    calm_cpu = stage.cpu_seconds("api") - calm_cpu
    attacker = await stage.new_member(ATTACKER)
    cpu = stage.cpu_seconds("api")
    async with _metered(stage, attacker) as cost:
        attack = spawn_module(
            outcome.name,
            "bench.neighbour.attacks",
            *(outcome.name, attacker.url, attacker.token, attacker.tenant),
            log=folder / f"{outcome.name}.log",
        )
        try:
            # Measure from the first moment: the attacker's budget may last for seconds only.
            outcome.during.add(await probe.measure(seconds))
        finally:
            await attack.stop()
    cpu = stage.cpu_seconds("api") - cpu
    if ATTACKS[outcome.name] in API_ATTACKS:
        outcome.cpu_seconds += max(0.0, cpu - calm_cpu)
        outcome.cost += cost[0]
    await probe.measure(CALM_SECONDS)


@asynccontextmanager
async def _metered(stage: Stage, attacker: Member) -> AsyncIterator[list[int]]:
    """Sum up the attacker's cost over the minutes, in the list's only element."""
    total, last = [0], await stage.cost(attacker)

    async def watch() -> None:
        nonlocal last
        while True:
            await asyncio.sleep(0.2)
            now = await stage.cost(attacker)
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
