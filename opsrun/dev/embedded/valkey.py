"""An embedded Valkey.

It stores nothing on disk, because Postgres is the source of truth.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opsrun.dev.embedded import programs
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.folder import DataFolder
from opsrun.dev.embedded.port import listening

CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
"""


@asynccontextmanager
async def running_valkey(folder: DataFolder) -> AsyncIterator[tuple[Child, str]]:
    """Run Valkey during the context; yield it and its URL.

    Raises:
        EmbeddedServerError: it cannot start.
    """
    program = programs.executable(programs.VALKEY, folder)
    password = folder.valkey_password

    def launch(port: int) -> Child:
        return spawn(
            "Valkey",
            [program, "-"],
            account=folder.account,
            # A manual dump must not be loaded at the next start.
            folder=Path("/"),
            log=folder.path / "valkey.log",
            stop_signal=signal.SIGKILL,
            stdin=CONFIGURATION.format(port=port, password=password),
        )

    def is_ready(child: Child) -> bool:
        return "Ready to accept connections" in child.log_tail()

    complaint = "Could not create server TCP listening socket"
    async with listening(launch, is_ready, bind_complaint=complaint) as (child, port):
        yield child, f"redis://:{password}@127.0.0.1:{port}/0"
