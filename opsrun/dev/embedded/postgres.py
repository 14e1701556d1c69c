"""An embedded Postgres."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from opsrun.dev.embedded import programs
from opsrun.dev.embedded.account import can_reach
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.errors import EmbeddedServerError
from opsrun.dev.embedded.folder import DataFolder, write_through
from opsrun.dev.embedded.port import listening

INITDB_SECONDS = 120.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # The path of a Unix socket has at most 107 bytes, but a data folder's path may be longer.
    "unix_socket_directories": "",
    "shared_buffers": "96MB",
    "max_connections": "200",
    "jit": "off",
    # Parallel queries need idle cores, and shared memory, which is scarce in containers.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# The same order of texts on every system; older versions take it from the C library.
_BUILTIN_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# Postgres 15 returns to the folder it was started in, so the servers' account must reach that.
_ANY_FOLDER = Path("/")
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@asynccontextmanager
async def running_postgres(
    folder: DataFolder, *, durable: bool
) -> AsyncIterator[tuple[Child, str]]:
    """Run Postgres during the context; yield it and its superuser's URL.

    Raises:
        EmbeddedServerError: it cannot start on this folder.
    """
    program = programs.executable(programs.POSTGRES, folder)
    cluster = folder.path / "postgres"
    await folder.wait_for_leftovers()
    try:
        if cluster.exists():
            _check_version(cluster, program)
            # A killed server leaves this file. If another process now has its pid, Postgres refuses
            # to start. This process holds the servers' lock, so no server runs here.
            (cluster / "postmaster.pid").unlink(missing_ok=True)
        else:
            await _create(cluster, folder, program, durable=durable)
    except OSError as error:
        raise EmbeddedServerError(f"Cannot use {cluster}: {error}") from error
    settings = SETTINGS if durable else SETTINGS | NOT_DURABLE

    def launch(port: int) -> Child:
        return spawn(
            "Postgres",
            [
                program,
                *("-D", path),
                *("-p", str(port)),
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            account=folder.account,
            folder=_ANY_FOLDER,
            log=folder.path / "postgres.log",
            stop_signal=signal.SIGINT,  # fast shutdown: ends the sessions, writes everything
            inherit=descriptors,
        )

    def is_ready(child: Child) -> bool:
        # pg_ctl checks it in the same way.
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(child.process.pid)] and lines[7:8] == ["ready   "]

    with _reachable(cluster, folder) as (path, descriptors):
        running = listening(launch, is_ready, bind_complaint="could not bind")
        async with running as (child, port):
            password = folder.postgres_password
            yield child, f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


async def _create(cluster: Path, folder: DataFolder, program: Path, *, durable: bool) -> None:
    """Create the cluster in postgres.new and rename it, so that it is complete or absent."""
    unfinished = cluster.with_name("postgres.new")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if folder.account is not None:
        shutil.chown(unfinished, folder.account.uid, folder.account.gid)
    with _reachable(unfinished, folder) as (path, descriptors):
        child = spawn(
            "initdb",
            [
                program.with_name("initdb"),
                *("-D", path),
                "--username=postgres",
                "--auth=scram-sha-256",
                "--pwfile=/dev/stdin",
                "--encoding=UTF8",
                *(_BUILTIN_LOCALE if major_version(program) >= 17 else ["--locale=C.UTF-8"]),
                "--no-instructions",
                *([] if durable else ["--no-sync"]),
            ],
            account=folder.account,
            folder=_ANY_FOLDER,
            log=folder.path / "postgres.log",
            stop_signal=signal.SIGKILL,
            stdin=f"{folder.postgres_password}\n",
            inherit=descriptors,
        )
    try:
        async with asyncio.timeout(INITDB_SECONDS):
            code = await child.wait()
    except TimeoutError:
        problem = f"was not done after {INITDB_SECONDS:.0f} seconds"
        raise EmbeddedServerError(child.report(problem)) from None
    finally:
        await child.stop()
    if code != 0:
        raise EmbeddedServerError(child.exit_report())
    unfinished.rename(cluster)
    if durable:
        write_through(folder.path)


def major_version(program: Path) -> int:
    """Return the major version of one of Postgres' programs.

    Raises:
        EmbeddedServerError: it cannot be run, or says something else.
    """
    try:
        answer = subprocess.run(  # noqa: S603 - an installed program
            [program, "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"Cannot run {program}: {error}") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", answer)
    if version is None:
        raise EmbeddedServerError(f"{program} is not a program of Postgres: {answer[:100]!r}.")
    return int(version[1])


def _check_version(cluster: Path, program: Path) -> None:
    stored, installed = (cluster / "PG_VERSION").read_text().strip(), major_version(program)
    if stored != str(installed):
        raise EmbeddedServerError(
            f"{cluster} was created by Postgres {stored}, but {program} is Postgres {installed},"
            f" which cannot read it. Install Postgres {stored} again and move the data with a dump,"
            f" or move {cluster.parent} away to start empty."
        )


@contextmanager
def _reachable(cluster: Path, folder: DataFolder) -> Iterator[tuple[Path, list[int]]]:
    """Yield a path of the cluster that the servers' account can use, and descriptors to inherit.

    Below a closed folder such as /root, only an open descriptor leads to it.
    """
    if can_reach(folder.account, folder.path):
        yield cluster, [folder.servers_lock]
        return
    descriptor = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}"), [folder.servers_lock, descriptor]
    finally:
        os.close(descriptor)
