"""Runs Postgres and Valkey together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from opsrun.dev.embedded.child import Child
from opsrun.dev.embedded.folder import claimed_folder
from opsrun.dev.embedded.postgres import running_postgres
from opsrun.dev.embedded.valkey import running_valkey


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """The URLs of the running servers, including passwords."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    children: tuple[Child, Child] = field(repr=False)


@asynccontextmanager
async def embedded_servers(
    data_folder: Path, *, durable: bool = True
) -> AsyncIterator[EmbeddedServers]:
    """Run Postgres and Valkey on free ports of 127.0.0.1, with their data in `data_folder`.

    The folder is created if necessary. It keeps the database and the passwords for the next start,
    but without `durable` (for tests) a crash of the machine may lose them. Enter the context on
    the main thread: the servers end with the thread that entered it.

    Raises:
        EmbeddedServerError: a server cannot start, or the folder cannot be used.
    """
    with claimed_folder(data_folder) as folder:
        async with (
            running_valkey(folder) as (valkey, redis_url),
            running_postgres(folder, durable=durable) as (postgres, postgres_url),
        ):
            yield EmbeddedServers(postgres_url, redis_url, (postgres, valkey))
