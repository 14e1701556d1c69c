"""A task that does nothing in bare Taskiq, on the same Valkey: the limit of a queue of messages.

`python -m bench.peers.taskiq_queue` works on the queue. Nothing is recorded, so a run that is lost
stays lost.
"""

import os
from typing import Any

import uvloop
from taskiq import AsyncTaskiqDecoratedTask
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from bench.peers import CONCURRENCY

QUEUE = "bench-taskiq"


def open_broker(url: str) -> tuple[RedisStreamBroker, AsyncTaskiqDecoratedTask[..., Any]]:
    """Return the broker and its task, which gets as much as a run's message."""
    broker = RedisStreamBroker(url, queue_name=QUEUE, consumer_group_name=QUEUE)

    @broker.task(task_name="empty")
    async def empty(tenant_id: str, run_id: str) -> None: ...

    return broker, empty


async def _work() -> None:
    broker, _ = open_broker(os.environ["OPSRUN_REDIS_URL"])
    await run_receiver_task(broker, max_async_tasks=CONCURRENCY, run_startup=True)


if __name__ == "__main__":
    uvloop.run(_work())
