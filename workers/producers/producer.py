"""The seam to the work of a run type (P5)."""

from typing import Protocol

from domain.runs.execution import RunExecution


class Producer(Protocol):
    """Does the work of runs of one type; one instance serves many runs at the same time.

    docs/producers.md has the rules. The smallest one:

    class Greet:
        async def run(self, execution: RunExecution) -> None:
            done = await execution.finished_items()
            await execution.set_total(1)
            if "world" not in done:
                async with execution.batch() as batch:
                    batch.succeeded("world")
    """

    async def run(self, execution: RunExecution) -> None:
        """Do the work, and write only through the execution's batches.

        A later attempt skips the items that are recorded already. When it returns, the run ends
        with the status that follows from its counts.

        Raises:
            ProducerError: the whole run fails.
            LeaseLostError: passed through from a batch.
        """
        ...
