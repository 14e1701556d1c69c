"""Record regularly that a worker is running, and which run types it knows."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from domain.outages import Outage
from domain.runs.serving import ServedRunTypes
from domain.tenancy.session import DatabaseUnavailableError

logger = logging.getLogger(__name__)

# A type counts as served for 90 s, so a worker may miss two records.
_RECORD_SECONDS = 30.0


@asynccontextmanager
async def keep_serving(served: ServedRunTypes, stopping: asyncio.Event) -> AsyncIterator[None]:
    """Record the worker's run types within the block, until `stopping` is set."""
    task = asyncio.create_task(_record(served, stopping))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _record(served: ServedRunTypes, stopping: asyncio.Event) -> None:
    outage = Outage(
        logger,
        lost="Cannot record this worker's run types, trying again until it works",
        back="This worker's run types are recorded again",
    )
    is_new = True
    while not stopping.is_set():
        try:
            await served.record()
        except DatabaseUnavailableError as error:
            pause = outage.failed(error)
        except Exception as error:  # noqa: BLE001 - without records, the runs would wait
            pause = outage.failed(error, with_trace=True)
        else:
            if is_new or outage.is_on:
                served.wake_relay()
            is_new, pause = False, _RECORD_SECONDS
            outage.recovered()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stopping.wait()
