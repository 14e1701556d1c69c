"""`opsrun dev`: the whole product on this machine, and a look at its runs."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import httpx
from sqlalchemy import URL

from domain.runs.models import RunEventKind
from domain.tenancy.transactions import Transactions
from opsrun import demo
from opsrun.auth import kept_key, local_tokens
from opsrun.database import Login, open_engine, parse_url
from opsrun.embedded import EmbeddedServerError, embedded_servers
from opsrun.embedded.child import Child, spawn
from opsrun.processes import address, listening_socket
from opsrun.progress import all_events, line
from opsrun.provision import create_database, provision
from opsrun.settings import PREFIX, Settings

_TOKEN_LIFETIME = timedelta(days=7)
_READY_SECONDS = 30.0


async def develop(settings: Settings) -> None:
    """Run everything until Ctrl-C or SIGTERM, or until a part of it dies.

    Raises:
        EmbeddedServerError: a part could not start, or died.
    """
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_, stop.set)
    async with AsyncExitStack() as stack:
        database, redis_url, servers_died = await _servers(settings, stack)
        urls = await provision(database, kept_key(settings.data_folder / "logins.key").encode())
        engine = await stack.enter_async_context(open_engine(urls[Login.MAINTENANCE]))
        transactions = Transactions(engine)
        await demo.seed(transactions, _exports(settings))
        with listening_socket(settings) as bound:
            base, port = address(settings, bound), bound.getsockname()[1]
        children = []
        for name, login in (
            ("api", Login.API),
            ("worker", Login.WORKER),
            ("maintenance", Login.MAINTENANCE),
        ):
            env = _environment(settings, urls[login], redis_url, port)
            child = await stack.enter_async_context(_process(name, settings.data_folder, env))
            children.append(child)
        await _until_ready(f"http://{settings.host}:{port}/readyz", children[0], stop)
        if not stop.is_set():
            click.echo(_welcome(settings, base))
        await _until_over(
            stop.wait(),
            servers_died,
            *(_died(child) for child in children),
            _watch(transactions, _exports(settings)),
        )
    click.echo("Stopped. Everything is kept; `make dev` goes on from here.")


async def _servers(
    settings: Settings, stack: AsyncExitStack
) -> tuple[URL, str, Coroutine[Any, Any, str]]:
    """Return the database (as its owner), Redis, and what ends when one of ours dies."""
    database_url = settings.database_url and settings.database_url.get_secret_value()
    redis_url = settings.redis_url and settings.redis_url.get_secret_value()
    if database_url and redis_url:
        return parse_url(database_url), redis_url, _never()
    own = await stack.enter_async_context(embedded_servers(settings.data_folder / "servers"))
    database = parse_url(database_url) if database_url else await create_database(own.postgres_url)
    return database, redis_url or own.redis_url, own.wait_died()


async def _never() -> str:
    await asyncio.Event().wait()
    raise AssertionError


def _exports(settings: Settings) -> Path:
    return settings.data_folder / "exports"


def _environment(
    settings: Settings, database_url: str, redis_url: str, port: int
) -> dict[str, str]:
    return {
        **os.environ,
        f"{PREFIX}DATABASE_URL": database_url,
        f"{PREFIX}REDIS_URL": redis_url,
        f"{PREFIX}PORT": str(port),
        f"{PREFIX}DATA_FOLDER": str(settings.data_folder.resolve()),
    }


@asynccontextmanager
async def _process(name: str, data_folder: Path, env: dict[str, str]) -> AsyncIterator[Child]:
    logs = data_folder / "logs"
    logs.mkdir(exist_ok=True)
    child = spawn(
        f"opsrun {name}",
        [sys.executable, "-m", "opsrun", name],
        account=None,
        folder=data_folder,
        log=logs / f"{name}.log",
        stop_signal=signal.SIGTERM,
        env=env,
    )
    try:
        yield child
    finally:
        await child.stop()


async def _until_ready(url: str, api: Child, stop: asyncio.Event) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(_READY_SECONDS):
        while not stop.is_set():
            if api.ended:
                raise EmbeddedServerError(api.obituary())
            try:
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def _died(child: Child) -> str:
    await child.wait()
    return child.obituary()


async def _until_over(*endings: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first ending; a text is bad news."""
    tasks = [asyncio.create_task(ending) for ending in endings]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if isinstance(news := task.result(), str):
                raise EmbeddedServerError(news)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch(transactions: Transactions, exports: Path) -> None:
    async for slug, event in all_events(transactions):
        click.echo(line(slug, event))
        if event.kind is RunEventKind.FINISHED and demo.export_was_synced(event.run):
            await asyncio.to_thread(demo.change_export, exports, slug)
            click.echo(f"          {slug:<10}  (demo: somebody changed policies of this scope)")


def _welcome(settings: Settings, base: str) -> str:
    minted = local_tokens(settings)
    lines = ["", f"  GraphQL   {base}/graphql", f"  GraphiQL  {base}/graphiql/", ""]
    for tenant in demo.TENANTS:
        lines.append(f"  {tenant.name}")
        for subject, role in tenant.roles.items():
            user = demo.USERS[subject]
            token = minted.mint(subject, name=user.name, lifetime=_TOKEN_LIFETIME)
            lines.append(f"    {role:<9} {user.name}")
            lines.append(f"      {base}/graphiql/#token={token}")
    lines += [
        "",
        "  Open an address to query as that user, or send what follows `#token=` as",
        "  `Authorization: Bearer …`. Runs show up below; Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
