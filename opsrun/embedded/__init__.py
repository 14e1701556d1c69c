"""Real Postgres and Valkey without an installation, for development and tests."""

from opsrun.embedded.errors import EmbeddedServerError
from opsrun.embedded.servers import EmbeddedServers, embedded_servers

__all__ = ["EmbeddedServerError", "EmbeddedServers", "embedded_servers"]
