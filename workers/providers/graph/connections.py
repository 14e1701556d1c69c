"""What all reads of Graph in a process share: settings, connections and tokens."""

import ssl
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from domain.tenancy.providers import GraphSettings
from workers.providers.graph.clouds import CLOUDS, Endpoints
from workers.providers.graph.failures import not_configured

# Imported when they are needed, because most installations read no Graph.
if TYPE_CHECKING:
    import httpx

    from workers.providers.graph.tokens import Tokens

# Seconds for a connection, and for each part of an answer.
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0
_MAX_CONNECTIONS = 64


class GraphConnections:
    """Opens connections when they are first needed; `aclose` ends them.

    `emulator` has the addresses that replace those of every cloud, for tests and the demo.
    """

    def __init__(self, emulator: Endpoints | None = None, ca_file: Path | None = None) -> None:
        self.configure(emulator, ca_file)

    def configure(self, emulator: Endpoints | None, ca_file: Path | None) -> None:
        """Change the settings, before the first connection."""
        self._emulator, self._ca_file = emulator, ca_file

    def endpoints(self, settings: GraphSettings) -> Endpoints:
        """Return the addresses for a tenant."""
        return self._emulator or CLOUDS[settings.cloud]

    @cached_property
    def tokens(self) -> "Tokens":
        """The tokens of the apps."""
        from workers.providers.graph.tokens import Tokens

        return Tokens(self._sign_in_client)

    @cached_property
    def http(self) -> "httpx.AsyncClient":
        """The client for requests to Graph. It follows no redirects, which could take a token."""
        import httpx

        return httpx.AsyncClient(
            verify=self._trust,
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
        )

    def _sign_in_client(self) -> "httpx.Client":
        import httpx

        return httpx.Client(verify=self._trust, timeout=_CONNECT_SECONDS)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """The certificates of the system or of SSL_CERT_FILE, and those of the setting."""
        import httpx

        context = httpx.create_ssl_context()
        if self._ca_file is not None:
            try:
                context.load_verify_locations(self._ca_file)
            except OSError as error:
                raise not_configured(
                    f"This worker cannot use the certificates in OPSRUN_GRAPH_CA_FILE: {error}."
                ) from None
        return context

    async def aclose(self) -> None:
        """Close all connections, and forget the tokens; later reads open new ones."""
        client = vars(self).pop("http", None)
        for name in ("tokens", "_trust"):
            vars(self).pop(name, None)
        if client is not None:
            await client.aclose()


GRAPH = GraphConnections()
"""Those of this process."""
