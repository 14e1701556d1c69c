"""`opsrun dev`: runs all of Opsrun on this machine, and prints what happens to runs."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import click
from sqlalchemy import URL

from domain.runs.models import RunEventKind
from domain.tenancy.transactions import Transactions
from domain.wakeups import WakeUps
from opsrun.api.listening import DEFAULT_PORT, address, listening_socket
from opsrun.auth.tokens import kept_key, local_tokens
from opsrun.dev import demo, graph_demo
from opsrun.dev.banner import banner
from opsrun.dev.demo_history import write_history
from opsrun.dev.demo_sign_in import sign_in_code
from opsrun.dev.embedded import EmbeddedServerError, embedded_servers
from opsrun.dev.embedded.child import PR_SET_PDEATHSIG, Child, first_exit, spawn
from opsrun.dev.graph_demo import GraphDemo, running_graph
from opsrun.dev.hub import DevHub
from opsrun.dev.progress import all_events, findings_of, line
from opsrun.dev.provision import create_database, provision, require_own_logins
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from opsrun.settings import PREFIX, Settings
from opsrun.valkey.wakeups import RedisWakeUps

_READY_SECONDS = 60.0
# Replace the defaults, because the demo's runs are short, and a developer waits.
_DEV_DEFAULTS = {"shutdown_grace_seconds": 2, "drain_seconds": 0}


async def develop(
    settings: Settings, own_exports: Path | None = None, *, with_graph: bool = False
) -> None:
    """Run everything until Ctrl-C or SIGTERM, or until a process ends.

    The subfolders of `own_exports` are the scopes of an extra tenant. `with_graph` adds a tenant
    that is read from a double of Microsoft Graph.

    Raises:
        SettingsError, UnsafeLoginError: a setting or the database login is not usable.
        EmbeddedServerError: a process did not start, or ended.
    """
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        # A second signal interrupts the shutdown, and the processes are killed.
        if not task.cancelling():
            click.echo("\nStopping ...")
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await _develop(settings, own_exports, with_graph=with_graph)
    except asyncio.CancelledError:
        click.echo("Stopped. All data is kept for the next start.")


async def _develop(settings: Settings, own_exports: Path | None, *, with_graph: bool) -> None:
    folder = settings.data_folder.resolve()
    exports, logs = folder / demo.EXPORTS_FOLDER, folder / "logs"
    local_tokens(settings)  # fails early
    if with_graph:
        graph_demo.require_double()
    own = [] if own_exports is None else await demo.own_scopes(own_exports, exports)
    click.echo(f"Starting; all data is kept in {folder}.")
    async with AsyncExitStack() as stack:
        bound = stack.enter_context(listening_socket(settings))
        base, place = address(settings, bound), bound.getsockname()[:2]
        if settings.port is None and place[1] != DEFAULT_PORT:
            click.echo(
                f"Port {DEFAULT_PORT} is in use: using port {place[1]}. OPSRUN_PORT sets another."
            )
        click.echo("Starting Postgres and Valkey ...")
        servers = _open_servers(settings, folder)
        database, redis_url, server_children = await stack.enter_async_context(servers)
        click.echo("Preparing the database ...")
        urls = await provision(database, _secret(folder))
        logs.mkdir(exist_ok=True)
        running = running_graph(logs / "graph.log")
        graph = await stack.enter_async_context(running) if with_graph else None
        hub = DevHub(settings, folder)
        engine = await stack.enter_async_context(open_engine(urls[Login.MAINTENANCE]))
        wakeups = await stack.enter_async_context(RedisWakeUps(redis_url))
        transactions = Transactions(engine)
        click.echo("Starting the API, a worker and maintenance ...")
        environment = _environment(settings, folder, redis_url, hub.folder)
        environment |= graph.environment if graph else {}
        processes = await stack.enter_async_context(
            _processes(settings, folder, environment, urls, bound)
        )
        children = [*processes, *server_children, *([graph.child] if graph else [])]

        async def start() -> None:
            # The processes take longer to import than this takes.
            await demo.seed(transactions, exports)
            if own_exports is not None:
                await demo.save_demo_tenant(transactions, demo.OWN, own_exports)
            if graph is not None:
                await graph.seed(transactions)
            await write_history(transactions, wakeups)
            await _until_ready(place, processes[0])

        async def live() -> None:
            await asyncio.gather(
                _watch(transactions, wakeups, exports, graph), hub.build(logs / "hub.log")
            )

        await _while_alive(start(), children)
        click.echo(
            banner(settings, base, sign_in_code(settings), logs, hub, own, with_graph=with_graph)
        )
        await _while_alive(live(), children)


@asynccontextmanager
async def _open_servers(
    settings: Settings, folder: Path
) -> AsyncIterator[tuple[URL, str, Sequence[Child]]]:
    """Yield the owner's URL of the database, the URL of Redis, and the embedded servers, if any."""
    database = None
    redis_url = None if settings.redis_url is None else settings.require_redis_url()
    if settings.database_url is not None:
        database = parse_url(settings.require_database_url())
        await require_own_logins(database, _secret(folder))
        if redis_url is not None:
            yield database, redis_url, ()
            return
    async with embedded_servers(folder / "servers") as embedded:
        database = database or await create_database(embedded.postgres_url)
        yield database, redis_url or embedded.redis_url, embedded.children


def _secret(folder: Path) -> bytes:
    return kept_key(folder / "logins.key").encode()


def _environment(
    settings: Settings, folder: Path, redis_url: str, hub: Path | None
) -> dict[str, str]:
    variables = {"REDIS_URL": redis_url, "DATA_FOLDER": str(folder)}
    if hub is not None:
        variables["HUB_FOLDER"] = str(hub)
    for name, seconds in _DEV_DEFAULTS.items():
        if name not in settings.model_fields_set:
            variables[name.upper()] = str(seconds)
    return {**os.environ, **{PREFIX + name: value for name, value in variables.items()}}


def own_metrics_port(settings: Settings, number: int) -> dict[str, str]:
    """Return the variable for the metrics port of a process: the configured port plus `number`."""
    port = settings.metrics_port
    return {} if port is None else {f"{PREFIX}METRICS_PORT": str(port and port + number)}


@asynccontextmanager
async def _processes(
    settings: Settings,
    folder: Path,
    environment: Mapping[str, str],
    urls: Mapping[Login, str],
    bound: socket.socket,
) -> AsyncIterator[list[Child]]:
    """Run API, worker and maintenance, in this order. The API inherits the socket."""
    children: list[Child] = []
    try:
        with bound:
            for name, login, *arguments in (
                ("api", Login.API, "dev-api", "--fd", str(bound.fileno())),
                ("worker", Login.WORKER, "worker"),
                ("maintenance", Login.MAINTENANCE, "maintenance"),
            ):
                child = spawn(
                    f"opsrun {name}",
                    [sys.executable, "-m", "opsrun", *arguments],
                    folder=folder,
                    log=folder / "logs" / f"{name}.log",
                    inherit=[bound.fileno()] if login is Login.API else [],
                    env={
                        **environment,
                        **own_metrics_port(settings, len(children)),
                        f"{PREFIX}DATABASE_URL": urls[login],
                    },
                )
                children.append(child)
        yield children
    finally:
        await asyncio.gather(*(child.stop() for child in children))


async def _while_alive(work: Coroutine[Any, Any, None], children: Sequence[Child]) -> None:
    """Do the work.

    Raises:
        EmbeddedServerError: a process ended first; the message contains the end of its log.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(first_exit(children))
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            raise EmbeddedServerError(watching.result())
        working.result()
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _until_ready(place: tuple[str, int], api: Child) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready(place):  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError:
        problem = f"was not ready after {_READY_SECONDS:.0f} seconds"
        raise EmbeddedServerError(api.report(problem)) from None


async def _is_ready(place: tuple[str, int]) -> bool:
    """Return whether the API is ready; its socket accepts connections even before it starts."""
    try:
        reader, writer = await asyncio.open_connection(*place)
        try:
            writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    except OSError:
        return False


async def _watch(
    transactions: Transactions, wakeups: WakeUps, exports: Path, graph: GraphDemo | None
) -> None:
    async for slug, event in all_events(transactions, wakeups):
        click.echo(line(slug, event, await findings_of(transactions, event.run)))
        if event.kind is not RunEventKind.FINISHED:
            continue
        what = None
        if graph is not None and graph.change_after(slug, event.run):
            what = "policies and groups"
        elif demo.may_change(slug, event.run) and await asyncio.to_thread(
            demo.change_export, exports, slug
        ):
            what = "policies of this scope"
        if what is not None:
            click.echo(f"          {slug:<10}  (demo: somebody changed {what})")


def stop_with_parent(parent: int) -> None:
    """End this process when its parent ends, even if the parent is killed (Linux only).

    Raises:
        ClickException: the parent has ended, or another process is the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise click.ClickException(f"Process {parent} has ended, or is not the parent of this one.")
