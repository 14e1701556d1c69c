"""Postgres and Valkey as child processes, for development and tests."""

from opsrun.dev.embedded.errors import EmbeddedServerError
from opsrun.dev.embedded.servers import EmbeddedServers, embedded_servers

__all__ = ["EmbeddedServerError", "EmbeddedServers", "embedded_servers"]
