"""The server processes that are measured: Opsrun's API and its peers, each with one process."""

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
LIMIT_A = "limit A: hand-written, without login"
LIMIT_E = "limit E: hand-written, with all checks"
PLAIN = "plain Strawberry, without login"
BROADCAST = "limit: raw ASGI broadcast"
POSTGRAPHILE = "PostGraphile on Node, without login"
GRAPHQL_WS = "graphql-ws on Node, without login"

_MODULES = {
    OPSRUN: ("opsrun", "api"),
    LIMIT_A: ("bench.peers.bare", "A"),
    LIMIT_E: ("bench.peers.bare", "E"),
    PLAIN: ("bench.peers.plain",),
    BROADCAST: ("bench.peers.broadcast",),
}
_SCRIPTS = {POSTGRAPHILE: "postgraphile.mjs", GRAPHQL_WS: "graphql_ws.mjs"}
# These use the API's login. The others use one that row level security does not restrict.
_GUARDED = {OPSRUN, LIMIT_E}
_START_SECONDS = 60.0
# A server that uses less of a core than this has finished its work.
_QUIET_SHARE, _QUIET_SECONDS, _QUIET_PATIENCE = 0.08, 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server process."""

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
    servers: FilledServers, names: Sequence[str], database_url: str | None = None
) -> AsyncIterator[list[Server]]:
    """Run these servers until the context closes; `database_url` replaces their own."""
    started = [_start(servers, name, database_url) for name in names]
    try:
        for server in started:
            await _wait_until_listening(server)
        yield started
    finally:
        for server in started:
            server.child.process.kill()
            await server.child.wait()


def _start(servers: FilledServers, name: str, database_url: str | None) -> Server:
    port = free_port()
    log = servers.folder / f"{port}.log"
    url = database_url or (servers.urls[Login.API] if name in _GUARDED else servers.superuser_url)
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
        "OPSRUN_METRICS_PORT": "0",
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
