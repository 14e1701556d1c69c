"""The Taskiq tasks, one per run type. A message is a hint; the ledger decides."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from taskiq import AsyncBroker, Context, TaskiqDepends

from workers.runner import RunRunner
from workers.tracing import continued


def register_tasks(broker: AsyncBroker, run_types: Iterable[str], runner: RunRunner) -> None:
    """Register a task for each run type under its name."""
    for run_type in run_types:
        broker.register_task(_task(run_type, runner), task_name=run_type)


def _task(run_type: str, runner: RunRunner):  # type: ignore[no-untyped-def]
    async def execute(
        tenant_id: str, run_id: str, context: Annotated[Context, TaskiqDepends()]
    ) -> None:
        with continued(context.message.labels):
            await runner.execute(run_type, UUID(tenant_id), UUID(run_id))

    return execute
