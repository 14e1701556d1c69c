"""Open and close everything that a round needs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from crash.clients import Clients
from crash.cluster import Cluster, Plan, running_cluster
from crash.ledger import Ledger, open_ledger
from crash.load import Load
from crash.members import Member, sign_in_members
from crash.mutants import SEQUENCE, Mutant
from crash.process import PREFIX
from crash.producer import CANARY, declare_run_types
from crash.servers import Servers, running_servers
from crash.spawning import spawn_module
from crash.subscribers import Subscribers
from crash.witness import Witness
from domain.runs.starting import RunStarter
from domain.tenancy.transactions import Transactions
from opsrun.dev import demo
from opsrun.dev.embedded.port import free_port
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from opsrun.settings import Settings
from tests.world import LOCAL_KEY, MAX_ACTIVE_RUNS


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, the product's processes and the clients of a round.

    `database` is the superuser's URL with `{port}` for the port, which changes with each start
    of Postgres. `secrets` are texts by description that must not be in any row or log.
    """

    servers: Servers
    cluster: Cluster
    members: list[Member]
    subscribers: Subscribers
    load: Load
    witness: Witness
    exports: Path
    database: str
    sink_log: Path
    secrets: dict[str, str]

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        """Connect to Postgres directly, bypassing the proxy."""
        port = urlsplit(self.servers.postgres.direct_url).port
        async with open_ledger(self.database.replace("{port}", str(port))) as ledger:
            yield ledger


@asynccontextmanager
async def open_stage(
    folder: Path, plan: Plan, witness: Witness, random: Random
) -> AsyncIterator[Stage]:
    """Start servers, sink and processes; kill them when the context closes."""
    declare_run_types()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(running_servers(folder / "servers"))
        database = await create_database(servers.postgres.direct_url)
        superuser = database.set(drivername="postgresql").render_as_string(hide_password=False)
        direct_urls = await provision(database, b"crash")
        exports = folder / "exports"
        async with open_engine(direct_urls[Login.MAINTENANCE]) as engine:
            await demo.seed(Transactions(engine), exports)
        sink_port, sink_log = free_port(), folder / "sink.jsonl"
        sink = spawn_module(
            "sink", "crash.sink", str(sink_port), str(sink_log), log=folder / "sink.log"
        )
        stack.push_async_callback(sink.stop)
        env = {
            "OPSRUN_REDIS_URL": servers.valkey.url,
            "OPSRUN_LOCAL_KEY": LOCAL_KEY,
            "OPSRUN_DATA_FOLDER": str(folder),
            f"{PREFIX}SINK_PORT": str(sink_port),
        }
        proxy_port = servers.postgres.proxy.port
        urls = {login: _with_port(url, proxy_port) for login, url in direct_urls.items()}
        settings = Settings.model_validate(
            {"database_url": urls[Login.API], "redis_url": servers.valkey.url}
        )
        resources = await stack.enter_async_context(open_resources(settings, Login.API))
        members = await sign_in_members(resources)
        if plan.mutant is Mutant.PLAIN_SEQUENCE:
            async with open_ledger(superuser) as ledger:
                await _create_sequences(ledger, members)
        cluster = await stack.enter_async_context(running_cluster(plan, folder, env, urls, witness))
        clients = Clients(cluster.api_urls(), witness, random)
        stack.push_async_callback(clients.close)
        subscribers = Subscribers(clients, witness)
        starter = RunStarter(
            resources.transactions, resources.wakeups, max_active_runs=MAX_ACTIVE_RUNS
        )
        passwords = {str(login): url for login, url in direct_urls.items()}
        passwords |= {"superuser": superuser, "Valkey": servers.valkey.url}
        yield Stage(
            servers,
            cluster,
            members,
            subscribers,
            Load(clients, subscribers, starter, witness),
            witness,
            exports,
            superuser.replace(f":{database.port}/", ":{port}/"),
            sink_log,
            {
                "canary of the producers": CANARY,
                "local key": LOCAL_KEY,
                **{f"password of {name}": _password(url) for name, url in passwords.items()},
                **{f"token of {member.slug}": member.token for member in members},
            },
        )


def _with_port(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


def _password(url: str) -> str:
    return str(urlsplit(url).password)


async def _create_sequences(ledger: Ledger, members: list[Member]) -> None:
    for member in members:
        name = f"{SEQUENCE}_{member.tenant_id.hex}"
        await ledger.execute(f"CREATE SEQUENCE {name}")
        await ledger.execute(f"GRANT USAGE ON SEQUENCE {name} TO PUBLIC")
