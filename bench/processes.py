"""The processes that are measured: those of Opsrun and of its peers."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import peers
from bench.cpu import cpu_seconds
from bench.peers import npm
from bench.servers import COST_PER_MINUTE, FilledServers
from crash.spawning import spawn_module
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.port import free_port
from opsrun.postgres.engines import Login
from tests.world import LOCAL_KEY

OPSRUN = "Opsrun"
WORKER = "Opsrun's worker"
MAINTENANCE = "Opsrun's maintenance"
LIMIT_A = "limit A: hand-written, without login"
LIMIT_E = "limit E: hand-written, with all checks"
PLAIN = "plain Strawberry, without login"
BROADCAST = "limit: raw ASGI broadcast"
POSTGRAPHILE = "PostGraphile on Node, without login"
GRAPHQL_WS = "graphql-ws on Node, without login"
TASKIQ = "limit: bare Taskiq on Valkey"
PROCRASTINATE = "procrastinate on Postgres"

_MODULES = {
    OPSRUN: ("opsrun", "api"),
    WORKER: ("opsrun", "worker"),
    MAINTENANCE: ("opsrun", "maintenance"),
    LIMIT_A: ("bench.peers.bare", "A"),
    LIMIT_E: ("bench.peers.bare", "E"),
    PLAIN: ("bench.peers.plain",),
    BROADCAST: ("bench.peers.broadcast",),
    TASKIQ: ("bench.peers.taskiq_queue",),
    PROCRASTINATE: ("bench.peers.procrastinate_queue",),
}
_SCRIPTS = {POSTGRAPHILE: "postgraphile.mjs", GRAPHQL_WS: "graphql_ws.mjs"}
# The others use a login that row level security does not restrict.
_LOGINS = {
    OPSRUN: Login.API,
    LIMIT_E: Login.API,
    WORKER: Login.WORKER,
    MAINTENANCE: Login.MAINTENANCE,
}
_START_SECONDS = 60.0
# A server that uses less of a core than this has finished its work.
_QUIET_SHARE, _QUIET_SECONDS, _QUIET_PATIENCE = 0.08, 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running process, and its port if it serves anything."""

    name: str
    port: int
    child: Child

    @property
    def pid(self) -> int:
        return self.child.process.pid

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that the process has used."""
        return cpu_seconds(self.pid)

    async def wait_until_quiet(self) -> None:
        """Wait until the process has finished earlier work, such as closing connections."""
        async with asyncio.timeout(_QUIET_PATIENCE):
            used = _QUIET_SECONDS
            while used > _QUIET_SHARE * _QUIET_SECONDS:
                before = self.cpu_seconds
                await asyncio.sleep(_QUIET_SECONDS)
                used = self.cpu_seconds - before


def available(names: Iterable[str]) -> list[str]:
    """Return the servers that can run here: those on Node need packages from npm."""
    return [name for name in names if name not in _SCRIPTS or npm.node() is not None]


@asynccontextmanager
async def running(
    servers: FilledServers, names: Sequence[str], database_port: int | None = None
) -> AsyncIterator[list[Server]]:
    """Run these servers until the context closes, and wait until they listen.

    `database_port` is that of a proxy to Postgres.
    """
    async with started(servers, names, database_port) as processes:
        for server in processes:
            await _wait_until_listening(server)
        yield processes


@asynccontextmanager
async def started(
    servers: FilledServers, names: Sequence[str], database_port: int | None = None
) -> AsyncIterator[list[Server]]:
    """Run these processes until the context closes; do not wait until they are ready."""
    processes = [_start(servers, name, database_port) for name in names]
    try:
        yield processes
    finally:
        for process in processes:
            process.child.process.kill()
            await process.child.wait()


def _start(servers: FilledServers, name: str, database_port: int | None) -> Server:
    port = free_port()
    log = servers.folder / f"{port}.log"
    login = _LOGINS.get(name)
    url = servers.superuser_url if login is None else servers.urls[login]
    if database_port is not None:
        url = url.replace(f":{servers.database.port}/", f":{database_port}/")
    env = {
        "PORT": str(port),
        "CHANNEL": peers.CHANNEL,
        "DATABASE_URL": url,
        "OPSRUN_PORT": str(port),
        "OPSRUN_DATABASE_URL": url,
        "OPSRUN_REDIS_URL": servers.redis_url,
        "OPSRUN_LOCAL_KEY": LOCAL_KEY,
        "OPSRUN_DATA_FOLDER": str(servers.folder),
        "OPSRUN_COST_PER_MINUTE": str(COST_PER_MINUTE),
        # Workers and maintenance listen on no other port.
        "OPSRUN_METRICS_PORT": str(port) if name in (WORKER, MAINTENANCE) else "0",
    }
    if name in _MODULES:
        module, *arguments = _MODULES[name]
        return Server(name, port, spawn_module(name, module, *arguments, log=log, env=env))
    node = npm.node()
    assert node is not None
    child = spawn(
        name, [node, _SCRIPTS[name]], folder=npm.FOLDER, log=log, env={**os.environ, **env}
    )
    return Server(name, port, child)


async def _wait_until_listening(server: Server) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            if server.child.ended:
                raise RuntimeError(server.child.exit_report())
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
