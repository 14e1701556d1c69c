"""What it costs to start Opsrun's processes, and to leave them idle."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter

import httpx

from bench.cpu import cpu_seconds, family_cpu_seconds, resident_bytes
from bench.processes import MAINTENANCE, OPSRUN, WORKER, Server, running
from bench.report import Table
from bench.stage import Stage
from bench.timing import by_turns, medians
from crash.spawning import wait_until_ready
from opsrun.auth.tokens import LocalTokens
from opsrun.dev.embedded.child import spawn
from opsrun.dev.embedded.port import free_port
from tests.client import Client, open_http
from tests.world import LOCAL_KEY

_COMMANDS = {OPSRUN: "api", WORKER: "worker", MAINTENANCE: "maintenance"}
# A turn is longer than those of other groups.
_MOST_ROUNDS = 3
# The command refuses to run without the address of Redis, after it has imported everything.
_IMPORT = """
import sys, time
from opsrun.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(time.process_time(), len(sys.modules))
"""
_PAUSE, _READY_SECONDS, _ANSWER_SECONDS = 0.01, 60.0, 120.0


async def measure_start(stage: Stage) -> list[Table]:
    """Measure the start of each process, an idle installation, and the start of `opsrun dev`."""
    rounds = min(_MOST_ROUNDS, stage.scale.rounds)
    imports = [partial(asyncio.to_thread, _import, command) for command in _COMMANDS.values()]
    imported = map(medians, await by_turns(imports, rounds))
    async with running(stage.servers, [*_COMMANDS]) as servers:
        async with asyncio.timeout(_READY_SECONDS):
            for server in servers:
                await wait_until_ready(f"http://127.0.0.1:{server.port}")
        processes = [
            (
                _COMMANDS[server.name],
                each.cpu_seconds,
                each.modules,
                server.cpu_seconds,
                resident_bytes(server.pid) / 1e6,
            )
            for server, each in zip(servers, imported, strict=True)
        ]
        idle = await _idle(stage, servers)
    return [
        Table(
            "The start of a process",
            ("process", "CPU s to import", "modules", "CPU s until ready", "MB then"),
            processes,
        ),
        Table(
            f"An idle installation over {stage.scale.installation_seconds:g} s",
            ("process", "% of a core"),
            [*idle.items(), ("all", sum(idle.values()))],
        ),
        await _dev(stage.servers.folder, rounds),
    ]


@dataclass(frozen=True, slots=True)
class _Import:
    """What a command imports before it does anything, or the medians of several times."""

    cpu_seconds: float
    modules: float


def _import(command: str) -> _Import:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _IMPORT, command],
        env={name: value for name, value in os.environ.items() if not name.startswith("OPSRUN_")}
        | {"OPSRUN_PORT": "0", "OPSRUN_LOCAL_KEY": LOCAL_KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is not set" in done.stderr, done.stderr
    cpu_seconds, modules = map(float, done.stdout.split())
    return _Import(cpu_seconds, modules)


async def _idle(stage: Stage, servers: list[Server]) -> dict[str, float]:
    """Return the share of a core that each process uses, in percent."""
    await asyncio.gather(*(server.wait_until_quiet() for server in servers))

    def used() -> dict[str, float]:
        return {
            **{_COMMANDS[server.name]: server.cpu_seconds for server in servers},
            "Postgres": stage.servers.postgres_cpu_seconds,
            "Valkey": cpu_seconds(stage.servers.valkey.process.pid),
        }

    before, seconds = used(), stage.scale.installation_seconds
    await asyncio.sleep(seconds)
    return {name: 100 * (cpu - before[name]) / seconds for name, cpu in used().items()}


@dataclass(frozen=True, slots=True)
class _Start:
    """One start of `opsrun dev`, or the medians of several."""

    seconds: float
    """Until the first answer of the API."""
    cpu_seconds: float
    """Of all its processes until then, with those of Postgres and Valkey."""


async def _dev(folder: Path, rounds: int) -> Table:
    hub = folder / "hub"
    hub.mkdir()
    (hub / "index.html").touch()
    first = await _start_dev(folder, hub)
    [starts] = await by_turns([partial(_start_dev, folder, hub)], rounds)
    return Table(
        "`opsrun dev` until its first answer",
        ("start", "s", "CPU s of all processes"),
        [
            (name, each.seconds, each.cpu_seconds)
            for name, each in (("first", first), ("later", medians(starts)))
        ],
    )


async def _start_dev(folder: Path, hub: Path) -> _Start:
    """Start `opsrun dev`, wait for an answer, and stop it. The hub counts as built."""
    port = free_port()
    began = perf_counter()
    child = spawn(
        "opsrun dev",
        [sys.executable, "-m", "opsrun", "dev"],
        folder=Path.cwd(),
        log=folder / "dev.log",
        env={
            **os.environ,
            "OPSRUN_DATA_FOLDER": str(folder / "dev"),
            "OPSRUN_HUB_FOLDER": str(hub),
            "OPSRUN_LOCAL_KEY": LOCAL_KEY,
            "OPSRUN_PORT": str(port),
        },
    )
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await _first_answer(port)
        return _Start(perf_counter() - began, family_cpu_seconds(child.process.pid))
    except TimeoutError:
        raise RuntimeError(child.report("did not answer")) from None
    finally:
        await child.stop()


async def _first_answer(port: int) -> None:
    token = LocalTokens(LOCAL_KEY).mint("olivia", name="Olivia Owner", lifetime=timedelta(hours=1))
    async with open_http(f"http://127.0.0.1:{port}", timeout=_ANSWER_SECONDS) as http:
        while True:
            try:
                await Client(http, token).data("{ viewer { name } }")
            except httpx.ConnectError:
                await asyncio.sleep(_PAUSE)
            else:
                return
