"""Starts the double on free ports, and holds what a test reads and changes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from opsrun.api.monitoring_server import Server
from tests.graph.app import graph_app
from tests.graph.counting import Requests
from tests.graph.deltas import Deltas
from tests.graph.exports import Document, read_exports
from tests.graph.faults import Faults
from tests.graph.groups import Groups
from tests.graph.policies import Policies
from tests.graph.service import Service
from tests.graph.tokens import Cloud, Tokens
from tests.tls import Authority

HOST = "127.0.0.1"
# The real Graph of each cloud.
_AUDIENCES = {
    "global": "https://graph.microsoft.com",
    "us-government": "https://graph.microsoft.us",
    "china": "https://microsoftgraph.chinacloudapi.cn",
}


@dataclass(frozen=True, slots=True)
class Double:
    """A running double. Authority and Graph of a cloud have one address."""

    clouds: Mapping[str, Cloud]
    ca_file: Path
    tokens: Tokens
    policies: Policies
    groups: Groups
    deltas: Deltas
    faults: Faults
    requests: Requests

    @property
    def url(self) -> str:
        """The address of the global cloud's Graph; `/v1.0` and `/beta` follow."""
        return self.clouds["global"].url

    @property
    def authority(self) -> str:
        """The address of the global cloud's authority; the tenant follows."""
        return self.clouds["global"].url


@asynccontextmanager
async def graph_double(
    *folders: Path,
    policies: Mapping[str, Iterable[Document]] | None = None,
    page_size: int = 20,
    group_page: int = 10,
    member_page: int = 5,
    port: int = 0,
) -> AsyncIterator[Double]:
    """Serve the exports in the folders, and these policies by collection, until the context closes.

    `page_size` is the most policies on a page; `group_page` the entries on a page of a delta;
    `member_page` the changes of members in one entry. `port` is the global cloud's, 0 for any.
    """
    faults, tokens, groups = Faults(), Tokens(), Groups()
    stored, deltas = Policies(faults, page_size), Deltas(groups, group_page, member_page)
    for documents in (read_exports(folders), policies or {}):
        for name, some in documents.items():
            stored.put(name, some)
    service = Service(tokens, stored, groups, deltas, faults)
    with TemporaryDirectory(prefix="graph-double-") as folder:
        authority = Authority(Path(folder), "graph-double")
        certificate, key = authority.issue(HOST)
        sockets = {name: _listener(port if name == "global" else 0) for name in _AUDIENCES}
        clouds = {
            name: Cloud(name, f"https://{HOST}:{one.getsockname()[1]}", _AUDIENCES[name])
            for name, one in sockets.items()
        }
        by_port = {one.getsockname()[1]: clouds[name] for name, one in sockets.items()}
        config = uvicorn.Config(
            graph_app(by_port, tokens, service, faults),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            ssl_certfile=certificate,
            ssl_keyfile=str(key),
            timeout_graceful_shutdown=1,
        )
        async with _serving(config, [*sockets.values()]):
            yield Double(
                clouds,
                authority.certificate,
                tokens,
                stored,
                groups,
                deltas,
                faults,
                service.requests,
            )


def _listener(port: int) -> socket.socket:
    # asyncio sends small packets at once only on sockets with an explicit protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen()
    return listener


@asynccontextmanager
async def _serving(config: uvicorn.Config, sockets: list[socket.socket]) -> AsyncIterator[None]:
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
