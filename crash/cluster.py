"""The product's processes, restarted whenever they end, as a process manager does."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crash.failpoints import Failpoints
from crash.mutants import Mutant
from crash.process import PREFIX
from crash.spawning import spawn_module, wait_until_ready
from crash.witness import Promise, Witness
from opsrun.dev.embedded.child import Child
from opsrun.dev.embedded.port import free_port
from opsrun.postgres.engines import Login

LEASE_SECONDS = 3
TENANT_CONCURRENCY = 6
_RESTART_SECONDS = 0.3
_READY_SECONDS = 90.0
_LOG_CHARACTERS = 1500
_EXPECTED_CODES = {0, -signal.SIGKILL, -signal.SIGTERM}

API, WORKER, MAINTENANCE = "api", "worker", "maintenance"
ROLES = (API, WORKER, MAINTENANCE)


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of processes by kind. `old_workers` are additional, and lack one producer."""

    apis: int = 2
    workers: int = 2
    old_workers: int = 1
    maintenances: int = 2
    mutant: Mutant | None = None


@dataclass(slots=True)
class Process:
    """A process that can be started again and again; each start has its own log."""

    name: str
    role: str
    env: dict[str, str]
    log_folder: Path
    port: int = 0
    child: Child | None = None
    logs: list[Path] = field(default_factory=list)

    def start(self) -> Child:
        """Start it."""
        log = self.log_folder / f"{self.name}.{len(self.logs) + 1}.log"
        self.logs.append(log)
        self.child = spawn_module(self.name, "crash.process", self.role, log=log, env=self.env)
        return self.child

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it is running."""
        if self.child is not None and not self.child.ended:
            self.child.process.send_signal(number)


@dataclass(slots=True)
class Cluster:
    """All processes of the product, and the failpoints of each kind."""

    processes: Sequence[Process]
    failpoints: dict[str, Failpoints]
    witness: Witness

    def by_role(self, role: str) -> list[Process]:
        """Return the processes of one kind."""
        return [process for process in self.processes if process.role == role]

    def api_urls(self) -> list[str]:
        """Return the URLs of the APIs."""
        return [f"http://127.0.0.1:{process.port}" for process in self.by_role(API)]

    def logs(self) -> list[Path]:
        """Return the logs of all processes."""
        return [log for process in self.processes for log in process.logs]

    def release(self) -> None:
        """Clear all failpoints and resume all stopped processes."""
        for failpoints in self.failpoints.values():
            failpoints.clear()
        for process in self.processes:
            process.signal(signal.SIGCONT)

    async def supervise(self, process: Process) -> None:
        """Start the process, and restart it whenever it ends."""
        failpoints = self.failpoints[process.role]
        while True:
            child = process.start()
            failpoints.forget(child.process.pid)
            code = await child.wait()
            self.witness.counts["kills" if code == -signal.SIGKILL else "other ends"] += 1
            # A process may end if it cannot reach its database at startup. The next one will.
            if code not in _EXPECTED_CODES and failpoints.has_started(child.process.pid):
                tail = child.log_tail()[-_LOG_CHARACTERS:]
                self.witness.violation(
                    Promise.ALIVE, f"{process.name} ended with code {code}: …{tail}"
                )
            await asyncio.sleep(_RESTART_SECONDS)
            self.witness.counts["restarts"] += 1

    async def kill_all(self) -> None:
        """Kill all processes."""
        for process in self.processes:
            process.signal(signal.SIGKILL)
        for process in self.processes:
            if process.child is not None:
                await process.child.wait()


@asynccontextmanager
async def running_cluster(
    plan: Plan,
    folder: Path,
    env: dict[str, str],
    urls: dict[Login, str],
    witness: Witness,
) -> AsyncIterator[Cluster]:
    """Run the processes; kill them when the context closes."""
    control, logs = folder / "control", folder / "logs"
    control.mkdir()
    logs.mkdir()
    common = {
        **env,
        f"{PREFIX}CONTROL": str(control),
        f"{PREFIX}MUTANT": plan.mutant or "",
        "OPSRUN_LEASE_SECONDS": str(LEASE_SECONDS),
        "OPSRUN_REDISPATCH_SECONDS": "3",
        "OPSRUN_TENANT_CONCURRENCY": str(TENANT_CONCURRENCY),
        "OPSRUN_RUN_TIMEOUT_SECONDS": "120",
        "OPSRUN_SHUTDOWN_GRACE_SECONDS": "3",
        "OPSRUN_DRAIN_SECONDS": "2",
        # Few users send here what many would.
        "OPSRUN_COST_PER_MINUTE": str(10**9),
        "OPSRUN_CONNECTIONS_PER_USER": "10000",
    }
    processes: list[Process] = []

    def add(role: str, login: Login, number: int, missing: str = "") -> None:
        port = free_port() if role == API else 0
        specific = {
            "OPSRUN_DATABASE_URL": urls[login],
            "OPSRUN_PORT": str(port),
            f"{PREFIX}WITHOUT": missing,
        }
        processes.append(Process(f"{role}-{number}", role, {**common, **specific}, logs, port))

    for number in range(plan.apis):
        add(API, Login.API, number)
    for number in range(plan.workers + plan.old_workers):
        add(WORKER, Login.WORKER, number, "crash.items" if number >= plan.workers else "")
    for number in range(plan.maintenances):
        add(MAINTENANCE, Login.MAINTENANCE, number)
    cluster = Cluster(processes, {role: Failpoints(control, role) for role in ROLES}, witness)
    async with asyncio.TaskGroup() as group:
        supervisors = [group.create_task(cluster.supervise(process)) for process in processes]
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for url in cluster.api_urls():
                    await wait_until_ready(url)
            yield cluster
        finally:
            for supervisor in supervisors:
                supervisor.cancel()
            await cluster.kill_all()
