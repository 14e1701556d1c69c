"""A task that does nothing in procrastinate, a queue that keeps its jobs in Postgres.

`python -m bench.peers.procrastinate_queue` works on the queue.
"""

import os
from typing import Any

import uvloop
from procrastinate import App, PsycopgConnector
from procrastinate.tasks import Task

from bench.peers import CONCURRENCY


def open_app(url: str) -> tuple[App, Task[..., Any, ...]]:
    """Return the application and its task, which gets as much as a run's message."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="empty")
    async def empty(tenant_id: str, run_id: str) -> None: ...

    return app, empty


async def _work() -> None:
    app, _ = open_app(os.environ["DATABASE_URL"])
    async with app.open_async():
        await app.run_worker_async(concurrency=CONCURRENCY)


if __name__ == "__main__":
    uvloop.run(_work())
