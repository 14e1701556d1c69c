"""Everything a round needs, opened and closed in one place."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from crash.clients import Clients
from crash.cluster import Cluster, Plan, running_cluster
from crash.customers import Customer, customers
from crash.ledger import Ledger, open_ledger
from crash.load import Load
from crash.mutants import SEQUENCE, Mutant
from crash.process import PREFIX
from crash.producer import CANARY, permit
from crash.servers import Servers, running_servers
from crash.subscribers import Subscribers
from crash.witness import Witness
from domain.runs.starting import RunStarter
from domain.tenancy.transactions import Transactions
from opsrun.dev import demo
from opsrun.dev.embedded.child import spawn
from opsrun.dev.embedded.port import free_port
from opsrun.dev.provision import create_database, provision
from opsrun.postgres.engines import Login, open_engine
from opsrun.resources import open_resources
from opsrun.settings import Settings
from tests.world import LOCAL_KEY, MAX_ACTIVE_RUNS

_REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, the product's processes, and the clients."""

    servers: Servers
    cluster: Cluster
    customers: list[Customer]
    clients: Clients
    subscribers: Subscribers
    load: Load
    witness: Witness
    exports: Path
    database: str
    sink_log: Path
    secrets: dict[str, str]

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        """Look at the rows, past the proxy."""
        port = urlsplit(self.servers.postgres.direct_url).port
        async with open_ledger(self.database.replace("{port}", str(port))) as ledger:
            yield ledger


@asynccontextmanager
async def open_stage(
    folder: Path, plan: Plan, witness: Witness, random: Random
) -> AsyncIterator[Stage]:
    """Start servers, sink and processes; kill them all at the end."""
    permit()
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(running_servers(folder / "servers"))
        database = await create_database(servers.postgres.direct_url)
        direct = await provision(database, b"crash")
        exports = folder / "exports"
        async with open_engine(direct[Login.MAINTENANCE]) as engine:
            await demo.seed(Transactions(engine), exports)
        through = {login: _at(url, servers.postgres.proxy.port) for login, url in direct.items()}
        sink_port, sink_log = free_port(), folder / "sink.jsonl"
        sink = spawn(
            "sink",
            [sys.executable, "-m", "crash.sink", str(sink_port), str(sink_log)],
            account=None,
            folder=_REPOSITORY,
            log=folder / "sink.log",
            stop_signal=signal.SIGKILL,
        )
        stack.push_async_callback(sink.stop)
        env = {
            "OPSRUN_REDIS_URL": servers.valkey.url,
            "OPSRUN_LOCAL_KEY": LOCAL_KEY,
            "OPSRUN_DATA_FOLDER": str(folder),
            f"{PREFIX}SINK_PORT": str(sink_port),
        }
        superuser = database.set(drivername="postgresql").render_as_string(hide_password=False)
        settings = Settings.model_validate(
            {"database_url": through[Login.API], "redis_url": servers.valkey.url}
        )
        resources = await stack.enter_async_context(open_resources(settings, Login.API))
        those = await customers(resources)
        if plan.mutant is Mutant.PLAIN_SEQUENCE:
            async with open_ledger(superuser) as ledger:
                await _make_sequences(ledger, those)
        cluster = await stack.enter_async_context(
            running_cluster(plan, folder, env, through, witness)
        )
        clients = Clients(cluster.api_urls(), witness, random)
        stack.push_async_callback(clients.close)
        subscribers = Subscribers(clients, witness)
        starter = RunStarter(
            resources.transactions, resources.wakeups, max_active_runs=MAX_ACTIVE_RUNS
        )
        secrets = {
            "canary of the producers": CANARY,
            "local key": LOCAL_KEY,
            "superuser's password": str(database.password),
            "password of Valkey": str(urlsplit(servers.valkey.url).password),
            **{
                f"password of {login}": str(urlsplit(url).password) for login, url in direct.items()
            },
            **{f"token of {customer.slug}": customer.token for customer in those},
        }
        yield Stage(
            servers,
            cluster,
            those,
            clients,
            subscribers,
            Load(clients, subscribers, starter, witness),
            witness,
            exports,
            superuser.replace(f":{database.port}/", ":{port}/"),
            sink_log,
            secrets,
        )


def _at(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


async def _make_sequences(ledger: Ledger, those: list[Customer]) -> None:
    for customer in those:
        name = f"{SEQUENCE}_{customer.tenant_id.hex}"
        await ledger.execute(f"CREATE SEQUENCE {name}")
        await ledger.execute(f"GRANT USAGE ON SEQUENCE {name} TO PUBLIC")
