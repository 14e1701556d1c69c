"""Runs the double as a process, for `opsrun dev --graph-demo` and for measurements.

    python -m tests.graph --port 0 --exports FOLDER...

It prints one line of JSON and serves until SIGTERM. SIGHUP changes some policies and groups.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
from pathlib import Path

from tests.graph.double import Double, graph_double
from tests.graph.histories import History, change_policies, new_groups
from tests.graph.samples import sample_policies

GROUPS = 40
SAMPLES = 60
CHANGES = 4


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.graph", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--exports", type=Path, nargs="+", default=[], metavar="FOLDER")
    parser.add_argument(
        "--samples", type=int, metavar="NUMBER", help=f"made policies; without exports, {SAMPLES}"
    )
    parser.add_argument("--groups", type=int, default=GROUPS, metavar="NUMBER")
    options = parser.parse_args()
    samples = options.samples
    if samples is None:
        samples = 0 if options.exports else SAMPLES
    try:
        asyncio.run(serve(options.exports, samples, options.groups, options.port))
    except ValueError as error:
        parser.error(str(error))


async def serve(exports: list[Path], samples: int, groups: int, port: int) -> None:
    """Serve exports, samples and groups; write where to standard output."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    async with graph_double(*exports, port=port) as double:
        new_groups(double.groups, groups)
        for name, some in sample_policies(samples, groups=[*double.groups.by_id]).items():
            double.policies.put(name, some)
        history, chance = History(double.groups, seed=1), random.Random(1)  # noqa: S311

        def change() -> None:
            history.step(CHANGES)
            change_policies(double.policies, CHANGES, chance)

        loop.add_signal_handler(signal.SIGHUP, change)
        sys.stdout.write(json.dumps(described(double)) + "\n")
        sys.stdout.flush()
        await stop.wait()


def described(double: Double) -> dict[str, str]:
    """Return what a client needs."""
    return {
        "graph": double.url,
        "authority": double.authority,
        "ca_file": str(double.ca_file),
        "tenant": double.tokens.tenant_id,
        "client": double.tokens.client_id,
        "secret": double.tokens.secret,
    }


if __name__ == "__main__":
    main()
