"""Run a process of the product with failpoints: `python -m crash.process worker`.

It is `opsrun worker` (or `api`, or `maintenance`) with the failpoints and the producers of the
crash tests, with a mutant if `CRASH_MUTANT` names one, and with shorter delays.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from crash import failpoints, mutants
from crash.producer import ITEMIZED, Itemized, declare_run_types
from domain.runs import maintenance as run_maintenance
from opsrun import processes
from opsrun.__main__ import main as opsrun
from workers import maintenance
from workers.producers import load_producers

PREFIX = "CRASH_"
RETRY_DELAY = timedelta(seconds=1)
RESCUE_SECONDS = 1.0


def main(role: str) -> None:
    """Run one process until a signal or a failpoint ends it."""
    points = failpoints.Failpoints(Path(os.environ[f"{PREFIX}CONTROL"]), role)
    failpoints.install(points.hit)
    declare_run_types()
    producers = {
        **load_producers(),
        ITEMIZED: Itemized(int(os.environ[f"{PREFIX}SINK_PORT"]), points.hit),
    }
    producers.pop(os.environ[f"{PREFIX}WITHOUT"], None)
    replacements = (
        (processes, "load_producers", lambda: producers),
        (run_maintenance, "_RETRY_DELAY", RETRY_DELAY),
        (maintenance, "_RESCUE_SECONDS", RESCUE_SECONDS),
    )
    for module, name, value in replacements:
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__} no longer has {name}")
        setattr(module, name, value)
    if mutant := os.environ[f"{PREFIX}MUTANT"]:
        mutants.plant(mutants.Mutant(mutant), points.hit)
    opsrun([role])


if __name__ == "__main__":
    main(sys.argv[1])
