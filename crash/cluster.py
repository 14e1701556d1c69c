"""The product's processes, brought back whenever they end, as a process manager does."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from crash.failpoints import Orders
from crash.mutants import Mutant
from crash.process import PREFIX
from crash.witness import Promise, Witness
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.port import free_port
from opsrun.postgres.engines import Login

LEASE_SECONDS = 3
TENANT_CONCURRENCY = 6
_REPOSITORY = Path(__file__).parents[1]
_RESTART_SECONDS = 0.3
_READY_SECONDS = 90.0
_SHOWN = 1500
_EXPECTED_ENDS = {0, -signal.SIGKILL, -signal.SIGTERM}

API, WORKER, MAINTENANCE = "api", "worker", "maintenance"
ROLES = (API, WORKER, MAINTENANCE)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many processes of each kind; `old_workers` of the workers lack one producer."""

    apis: int = 2
    workers: int = 2
    old_workers: int = 1
    maintenances: int = 2
    mutant: Mutant | None = None


@dataclass(slots=True)
class Process:
    """One place among the processes, and who is in it now."""

    name: str
    role: str
    env: dict[str, str]
    logs: Path
    port: int = 0
    child: Child | None = None
    lives: int = 0
    is_stopped: bool = False
    log_files: list[Path] = field(default_factory=list)

    def start(self) -> Child:
        """Begin a life with a log of its own."""
        self.lives += 1
        log = self.logs / f"{self.name}.{self.lives}.log"
        self.log_files.append(log)
        self.is_stopped = False
        self.child = spawn(
            self.name,
            [sys.executable, "-m", "crash.process", self.role],
            account=None,
            folder=_REPOSITORY,
            log=log,
            stop_signal=signal.SIGKILL,
            env=self.env,
        )
        return self.child

    def signal(self, what: signal.Signals) -> None:
        """Send a signal to whoever lives now."""
        if self.child is not None and not self.child.ended:
            self.child.process.send_signal(what)
            self.is_stopped = what is signal.SIGSTOP or (
                self.is_stopped and what is not signal.SIGCONT
            )


@dataclass(slots=True)
class Cluster:
    """All processes of the product."""

    processes: Sequence[Process]
    orders: dict[str, Orders]
    witness: Witness
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)

    def of(self, role: str) -> list[Process]:
        """Return the processes of one kind."""
        return [process for process in self.processes if process.role == role]

    def api_urls(self) -> list[str]:
        """Return where the APIs listen."""
        return [f"http://127.0.0.1:{process.port}" for process in self.of(API)]

    def log_files(self) -> list[Path]:
        """Return every log that a process wrote."""
        return [log for process in self.processes for log in process.log_files]

    def release(self) -> None:
        """Withdraw all orders and let all stopped processes go on."""
        for orders in self.orders.values():
            orders.withdraw()
        for process in self.processes:
            process.signal(signal.SIGCONT)

    async def ready(self, seconds: float) -> None:
        """Wait until every API can serve."""
        async with (
            httpx.AsyncClient(timeout=2.0, trust_env=False, verify=False) as http,  # noqa: S501
            asyncio.timeout(seconds),
        ):
            for url in self.api_urls():
                while not await _answers(http, f"{url}/readyz"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    async def keep(self, process: Process) -> None:
        """Run the process, life after life."""
        while True:
            child = process.start()
            self.orders[process.role].begin(child.process.pid)
            code = await child.wait()
            self.witness.counts["kills" if code == -signal.SIGKILL else "other ends"] += 1
            # One that does not get as far as its database may end: the next life will.
            if code not in _EXPECTED_ENDS and self.orders[process.role].is_up(child.process.pid):
                end = f"{process.name} ended with code {code}: …{child.log_tail()[-_SHOWN:]}"
                self.witness.violation(Promise.ALIVE, end)
            await asyncio.sleep(_RESTART_SECONDS)
            self.witness.counts["restarts"] += 1

    async def kill_all(self) -> None:
        """End everything at once."""
        for process in self.processes:
            process.signal(signal.SIGKILL)
        for process in self.processes:
            if process.child is not None:
                await process.child.wait()


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@asynccontextmanager
async def running_cluster(
    plan: Plan,
    folder: Path,
    env: dict[str, str],
    urls: dict[Login, str],
    witness: Witness,
) -> AsyncIterator[Cluster]:
    """Run the processes until the context closes; then they are killed."""
    control, logs = folder / "control", folder / "logs"
    control.mkdir()
    logs.mkdir()
    common = {
        **os.environ,
        **env,
        f"{PREFIX}CONTROL": str(control),
        f"{PREFIX}MUTANT": plan.mutant or "",
        f"{PREFIX}WITHOUT": "",
        "OPSRUN_LEASE_SECONDS": str(LEASE_SECONDS),
        "OPSRUN_REDISPATCH_SECONDS": "3",
        "OPSRUN_TENANT_CONCURRENCY": str(TENANT_CONCURRENCY),
        "OPSRUN_RUN_TIMEOUT_SECONDS": "120",
        "OPSRUN_SHUTDOWN_GRACE_SECONDS": "3",
        "OPSRUN_DRAIN_SECONDS": "2",
        # A few users do here what many would.
        "OPSRUN_COST_PER_MINUTE": str(10**9),
        "OPSRUN_CONNECTIONS_PER_USER": "10000",
    }
    processes: list[Process] = []

    def add(role: str, login: Login, number: int, without: str = "") -> None:
        port = free_port() if role == API else 0
        own = {
            "OPSRUN_DATABASE_URL": urls[login],
            "OPSRUN_PORT": str(port),
            f"{PREFIX}WITHOUT": without,
        }
        processes.append(Process(f"{role}-{number}", role, {**common, **own}, logs, port))

    for number in range(plan.apis):
        add(API, Login.API, number)
    for number in range(plan.workers + plan.old_workers):
        add(WORKER, Login.WORKER, number, "crash.items" if number >= plan.workers else "")
    for number in range(plan.maintenances):
        add(MAINTENANCE, Login.MAINTENANCE, number)
    cluster = Cluster(processes, {role: Orders(control, role) for role in ROLES}, witness)
    async with asyncio.TaskGroup() as group:
        keepers = [group.create_task(cluster.keep(process)) for process in processes]
        try:
            await cluster.ready(_READY_SECONDS)
            yield cluster
        finally:
            for keeper in keepers:
                keeper.cancel()
            await cluster.kill_all()
