"""Mutations that are completed even if their client leaves."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from gql.audit import audit_refusals
from gql.errors import public_error

# Seconds that a stopping server waits for mutations whose clients have left.
LAST_SECONDS = 2.0

P = ParamSpec("P")
T = TypeVar("T")

_running: set[asyncio.Task[Any]] = set()


def completes(resolver: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Complete a resolver even if its client leaves, so that no change misses its audit record.

    @strawberry.mutation(description="Create an empty backup set.")
    @completes
    async def create_backup_set(self, info: Info, ...) -> CreateBackupSetPayload: ...
    """

    @wraps(resolver)
    async def completed(*args: P.args, **kwargs: P.kwargs) -> T:
        return await run_to_completion(resolver(*args, **kwargs))

    return completed


async def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a task that survives a cancellation of the caller.

    The caller is cancelled once the task is done. An error of the task then has no answer to
    appear in, so it is logged and audited here.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    failure = None if task.cancelled() else task.exception()
    if isinstance(failure, Exception):
        audit_refusals([public_error(failure)])
    raise cancellation


async def wait_for_mutations() -> None:
    """Wait at most `LAST_SECONDS` for the mutations that are still running."""
    if _running:
        await asyncio.wait(_running, timeout=LAST_SECONDS)
