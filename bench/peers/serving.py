"""What the peers in Python share: serving on PORT, and the events of Postgres."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from starlette.types import ASGIApp

from bench.peers import CHANNEL


async def serve(app: ASGIApp) -> None:
    """Serve on PORT with uvicorn's fastest installed parsers, without logs or compression."""
    config = uvicorn.Config(
        app,
        port=int(os.environ["PORT"]),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )
    await uvicorn.Server(config).serve()


@asynccontextmanager
async def listening(on_event: Callable[[str], None]) -> AsyncIterator[None]:
    """Call `on_event` with the JSON of each event of a run until the context closes."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        await connection.add_listener(CHANNEL, lambda *arguments: on_event(arguments[-1]))
        yield
    finally:
        await connection.close()
