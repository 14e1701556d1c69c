"""The product's processes, and two tenants that share them: an attacker and a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from bench.cpu import cpu_seconds
from bench.neighbour.clients import Member
from bench.neighbour.process import HUNG
from crash.spawning import spawn_module, wait_until_ready
from domain.tenancy.administration import save_member
from domain.tenancy.models import User
from domain.tenancy.repository import tenant_id_of
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from gql.ids import GlobalId
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.dev import demo
from opsrun.dev.embedded import embedded_servers
from opsrun.dev.embedded.child import Child
from opsrun.dev.embedded.port import free_port
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from tests.world import LOCAL_KEY

NEIGHBOUR, ATTACKER = "aurora", "borealis"
# Scopes by their exports: a small one of the neighbour, and those of the attacker.
PROBE, MANY, BIG = "probe", "many", "big"
HUNG_SCOPES, BIG_SCOPES = 6, 3
_LOGINS = {"api": Login.API, "worker": Login.WORKER, "maintenance": Login.MAINTENANCE}
_READY_SECONDS = 60.0
_LIFETIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Stage:
    """The running processes, and the database and Valkey that they share."""

    url: str
    transactions: Transactions
    processes: dict[str, Child]
    redis: Redis
    _start: Callable[[str], Child]

    async def new_member(self, slug: str) -> Member:
        """Add a member to a tenant, with a full budget."""
        user = User(LOCAL_ISSUER, uuid4().hex, "Member", None)
        await save_member(self.transactions, slug, user, TenantRole.OWNER)
        async with self.transactions.installation() as session:
            tenant_id = await tenant_id_of(session, slug)
        assert tenant_id is not None
        token = LocalTokens(LOCAL_KEY).mint(user.subject, name=user.name, lifetime=_LIFETIME)
        return Member(self.url, token, GlobalId("Tenant", tenant_id).encode(), str(user.id))

    async def restart(self, name: str) -> None:
        """Kill a process and start it again at the same address."""
        await self.processes[name].stop()
        self.processes[name] = self._start(name)

    def cpu_seconds(self, name: str) -> float:
        """Return the CPU seconds that a process has used."""
        return cpu_seconds(self.processes[name].process.pid)

    async def cost(self, member: Member) -> int:
        """Return the cost that a member has spent in this minute."""
        # Only budgets have keys with the id of a user.
        keys = [key async for key in self.redis.scan_iter(f"opsrun:*{member.user}*")]
        return sum([int(await self.redis.get(key) or 0) for key in keys])


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Run the servers and one process of each kind until the context closes."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(
            embedded_servers(folder / "servers", durable=False)
        )
        urls = await provision(await create_database(servers.postgres_url), b"neighbour")
        engine = await stack.enter_async_context(open_engine(urls[Login.MAINTENANCE]))
        transactions = Transactions(engine)
        _write_exports(folder / "exports")
        await demo.seed(transactions, folder / "exports")
        port = free_port()
        env = {
            "OPSRUN_REDIS_URL": servers.redis_url,
            "OPSRUN_LOCAL_KEY": LOCAL_KEY,
            "OPSRUN_DATA_FOLDER": str(folder),
            "OPSRUN_PORT": str(port),
            "OPSRUN_SHUTDOWN_GRACE_SECONDS": "2",
            "OPSRUN_DRAIN_SECONDS": "0",
        }

        def start(name: str) -> Child:
            return spawn_module(
                name,
                "bench.neighbour.process",
                name,
                log=folder / f"{name}.log",
                env={**env, "OPSRUN_DATABASE_URL": urls[_LOGINS[name]]},
            )

        processes: dict[str, Child] = {}

        async def stop() -> None:
            for child in processes.values():
                await child.stop()

        stack.push_async_callback(stop)
        for name in _LOGINS:
            processes[name] = start(name)
        redis = await stack.enter_async_context(Redis.from_url(servers.redis_url))
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(_READY_SECONDS):
            await wait_until_ready(url)
        yield Stage(url, transactions, processes, redis, start)


def _write_exports(exports: Path) -> None:
    """Write the neighbour's small export, and the attacker's hanging, long and big ones."""
    _write(exports / NEIGHBOUR / PROBE, {f"p{n}.json": _policy(n) for n in range(3)})
    attacker = exports / ATTACKER
    for number in range(HUNG_SCOPES):
        _write(attacker / f"{HUNG}{number}", {"p.json": _policy(0)})
    _write(attacker / MANY, {f"p{n}.json": _policy(n) for n in range(200)})
    empty_lists = ",".join(["[]"] * 5_000_000)
    for number in range(BIG_SCOPES):
        _write(attacker / f"{BIG}{number}", {"big.json": _policy(number, f"[{empty_lists}]")})


def _policy(number: int, value: str = "1") -> str:
    return f'{{"id":"p{number}","displayName":"Policy {number}","v":{value}}}'


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
