"""The messages that a pool's connections send."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

# Sent or not by the age of the connection: the pool's ping, and the driver's questions about types.
_OF_THE_CONNECTION = re.compile(r"SELECT 1$|.*(typeinfo_tree|'jit')", re.DOTALL)


@contextmanager
def recorded_queries(engine: AsyncEngine) -> Iterator[list[Any]]:
    """Record the messages to the server during the context, as asyncpg describes them."""
    queries: list[Any] = []
    drivers: set[Any] = set()

    def note(query: Any) -> None:
        if not _OF_THE_CONNECTION.match(query.query):
            queries.append(query)

    def listen(connection: Any, *_: object) -> None:
        drivers.add(connection.driver_connection)
        connection.driver_connection.add_query_logger(note)

    event.listen(engine.sync_engine, "checkout", listen)
    try:
        yield queries
    finally:
        event.remove(engine.sync_engine, "checkout", listen)
        for driver in drivers:
            driver.remove_query_logger(note)
