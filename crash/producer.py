"""Producers of the crash tests: one has external effects, the other kills its worker."""

import asyncio
import os
import signal
from collections.abc import Callable

from crash.sink import REFUSED, SinkClient
from domain.runs.contexts import Parameters
from domain.runs.execution import Batch, LeaseLostError, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.run_types import RunType, run_types
from domain.tenancy.roles import TenantRole
from workers.batches import batches

RESOURCE = "crash"
ITEMS, POISON = "items", "poison"
ITEMIZED = f"{RESOURCE}.{ITEMS}"
CANARY = "c4naryX9q7Lw2Zk8Vt5"

_BATCH = 4
_ITEM_MESSAGE = f"Cannot reach postgresql://reader:{CANARY}@db.example:5432/policies."


class CrashParameters(Parameters):
    """The parameters of a run of the crash tests; Poison takes none."""

    items: int = 0
    pause: float = 0.0
    breaks: bool = False
    key: str = ""


def declare_run_types() -> None:
    """Declare these run types to the process, once."""
    if ITEMIZED in run_types():
        return
    for action in (ITEMS, POISON):
        run_type = RunType(
            name=f"{RESOURCE}.{action}",
            title=f"Crash test: {action}",
            description="Exists only in the crash tests.",
            least_role=TenantRole.OPERATOR,
            parameters=CrashParameters,
            subject=lambda parameters: parameters.key,
            # `crash.process` makes the producers, because they need its failpoints.
            producer="crash.producer:Poison",
        )
        run_types().declare(run_type, "crash")


class Itemized:
    """Applies `items` effects in the sink, and records each one afterwards.

    Every seventh item fails and every fifth is skipped. With `breaks` the run ends with an
    unexpected error. Even attempts go from the last item to the first, so that two concurrent
    attempts would work on different items.
    """

    def __init__(self, sink_port: int, hit: Callable[[str], None]) -> None:
        self._sink_port = sink_port
        self._hit = hit

    async def run(self, execution: RunExecution) -> None:
        """Process the items that no attempt has recorded."""
        items = [f"item-{number:03}" for number in range(execution.context["items"])]
        attempt = execution.lease.attempt
        done = await execution.finished_items()
        await execution.set_total(len(items))
        remaining = [item for item in items if item not in done]
        if attempt % 2 == 0:
            remaining.reverse()
        async with SinkClient(self._sink_port) as sink:
            for group in batches(remaining, _BATCH):
                for item in group:
                    outcome = await sink.apply(str(execution.run.id), item, attempt)
                    if outcome == REFUSED:
                        raise LeaseLostError
                await asyncio.sleep(execution.context["pause"])
                self._hit(f"Itemized.{execution.context['key']}.before_batch")
                async with execution.batch() as batch:
                    for item in group:
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
    """Kills its worker in every attempt."""

    async def run(self, _: RunExecution) -> None:
        """Kill this process."""
        os.kill(os.getpid(), signal.SIGKILL)
