"""What the peers in Python share: serving on PORT, and the events of Postgres."""

import os
from collections.abc import Callable

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


async def listen(on_event: Callable[[str], None]) -> None:
    """Call `on_event` with the JSON of each event of a run, on a new connection."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.add_listener(CHANNEL, lambda *arguments: on_event(arguments[-1]))
