"""What a producer is: the work of one run type (P5)."""

from typing import ClassVar, Protocol

from domain.runs.execution import RunExecution


class Producer(Protocol):
    """Does the work of runs of one type; one instance serves many runs at once."""

    run_type: ClassVar[str]

    async def run(self, execution: RunExecution) -> None:
        """Do the work, writing only through the execution's batches.

        A later attempt continues: items that are recorded already are not done again.
        Returning ends the run by its counts.

        Raises:
            ProducerError: the run as a whole cannot go on.
            LeaseLostError: passed through from a batch.
        """
        ...
