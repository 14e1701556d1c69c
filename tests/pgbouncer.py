"""A PgBouncer in front of a Postgres."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import URL

from opsrun.dev.embedded.account import server_account
from opsrun.dev.embedded.child import Child, spawn
from opsrun.dev.embedded.port import listening
from opsrun.postgres.url import parse_url
from tests.tls import Authority

# Debian installs it where only root's PATH looks.
PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
HOST = "127.0.0.1"
_CONFIGURATION = """\
[databases]
* = host={server.host} port={server.port} pool_mode={mode}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
client_tls_sslmode = require
client_tls_cert_file = {certificate}
client_tls_key_file = {key}
pool_mode = transaction
"""


class PgBouncer:
    """Listens on a port, with TLS only, for the logins of some URLs of one server."""

    def __init__(self, port: int, authority: Path) -> None:
        self._port = port
        self._query = {"sslmode": "verify-full", "sslrootcert": str(authority)}

    def url(self, direct: str | URL, database: str | None = None) -> str:
        """Return the URL that leads the same login through the pooler."""
        url = parse_url(direct) if isinstance(direct, str) else direct
        pooled = url.set(drivername="postgresql", host=HOST, port=self._port, query=self._query)
        return pooled.set(database=database or url.database).render_as_string(hide_password=False)


@asynccontextmanager
async def pgbouncer(mode: str, direct: Iterable[str]) -> AsyncIterator[PgBouncer]:
    """Run PgBouncer in a pool mode for the logins of these URLs."""
    urls = [parse_url(url) for url in direct]
    account = server_account()
    # The tests' own folders are closed to the account.
    with TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        authority = Authority(folder, "pooler")

        def launch(port: int) -> Child:
            configuration = _configure(folder, authority, urls, mode=mode, port=port)
            for path in (folder, *folder.iterdir()):
                if account is not None:
                    os.chown(path, account.uid, account.gid)
            return spawn(
                "PgBouncer",
                [PROGRAM or "pgbouncer", configuration],
                account=account,
                folder=folder,
                log=folder / "pgbouncer.log",
                stop_signal=signal.SIGTERM,
            )

        def is_ready(child: Child) -> bool:
            return "process up" in child.log_tail()

        running = listening(launch, is_ready, bind_complaint="Address already in use")
        async with running as (_, port):
            yield PgBouncer(port, authority.certificate)


def _configure(
    folder: Path, authority: Authority, urls: Sequence[URL], *, mode: str, port: int
) -> Path:
    certificate, key = authority.issue(HOST)
    users = folder / "users.txt"
    users.write_text("".join(f'"{url.username}" "{url.password}"\n' for url in urls))
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        _CONFIGURATION.format(
            server=urls[0],
            mode=mode,
            host=HOST,
            port=port,
            users=users,
            certificate=certificate,
            key=key,
        )
    )
    return configuration
