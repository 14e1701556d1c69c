"""Runs the double as a process, for `opsrun dev --graph-demo` and for measurements.

    python -m tests.graph --port 0 --exports FOLDER...

It prints one line of JSON and serves until its standard input closes or SIGTERM.
"""

import argparse
import asyncio
import json
import signal
import sys
import threading
from pathlib import Path

from tests.graph.double import Double, graph_double
from tests.graph.histories import new_groups

GROUPS = 40


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.graph", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--exports", type=Path, nargs="*", default=[], metavar="FOLDER")
    parser.add_argument("--groups", type=int, default=GROUPS, metavar="NUMBER")
    options = parser.parse_args()
    asyncio.run(serve(options.exports, options.port, options.groups))


async def serve(exports: list[Path], port: int, groups: int) -> None:
    """Serve the exports and this many groups; say where on standard output."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    threading.Thread(
        target=lambda: (sys.stdin.buffer.read(), loop.call_soon_threadsafe(stop.set)), daemon=True
    ).start()
    async with graph_double(*exports, port=port) as double:
        new_groups(double.groups, groups)
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
