"""Producers for crash tests alone: one with effects outside, and one that kills its worker."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import ClassVar

from crash.sink import REFUSED, Outside
from domain.runs.execution import Batch, LeaseLostError, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.roles import LEAST_ROLE, TenantRole, start_permission
from workers.producers.batches import batches

RESOURCE = "crash"
ITEMS, POISON = "items", "poison"
CANARY = "c4naryX9q7Lw2Zk8Vt5"

_BATCH = 4
_ITEM_MESSAGE = f"Cannot reach postgresql://reader:{CANARY}@db.example:5432/policies."


def permit() -> None:
    """Let operators start these types."""
    for action in (ITEMS, POISON):
        LEAST_ROLE[start_permission(f"{RESOURCE}.{action}")] = TenantRole.OPERATOR


class Itemized:
    """Does `items` effects in the sink; each is recorded after it was done there.

    Every seventh item fails and every fifth is skipped. With `breaks` the run ends with an
    unexpected error. Even attempts go from the last item to the first, so that two attempts
    at the same time would be at different items.
    """

    run_type: ClassVar[str] = f"{RESOURCE}.{ITEMS}"

    def __init__(self, sink_port: int, hit: Callable[[str], None]) -> None:
        self._sink_port = sink_port
        self._hit = hit

    async def run(self, execution: RunExecution) -> None:
        """Work through what no attempt has recorded."""
        items = [f"item-{number:03}" for number in range(execution.context["items"])]
        attempt = execution.lease.attempt
        done = await execution.finished_items()
        await execution.set_total(len(items))
        left = [item for item in items if item not in done]
        if attempt % 2 == 0:
            left.reverse()
        async with Outside(self._sink_port) as outside:
            for some in batches(left, _BATCH):
                for item in some:
                    outcome = await outside.apply(str(execution.run.id), item, attempt)
                    if outcome == REFUSED:
                        raise LeaseLostError
                await asyncio.sleep(execution.context["pause"])
                self._hit(f"Itemized.{execution.context['key']}.before_batch")
                async with execution.batch() as batch:
                    for item in some:
                        _record(batch, item)
        if execution.context["breaks"]:
            raise RuntimeError(f"login failed: password={CANARY}")


def _record(batch: Batch, item: str) -> None:
    number = int(item.removeprefix("item-"))
    if number % 7 == 6:
        batch.failed(item, ProducerError(FailureReason.PROVIDER_UNAVAILABLE, _ITEM_MESSAGE))
    elif number % 5 == 4:
        batch.skipped(item, "Nothing to do.")
    else:
        batch.succeeded(item)


class Poison:
    """Ends the process that runs it, every time."""

    run_type: ClassVar[str] = f"{RESOURCE}.{POISON}"

    async def run(self, _: RunExecution) -> None:
        """Be the end of the worker."""
        os.kill(os.getpid(), signal.SIGKILL)
