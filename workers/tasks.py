"""The Taskiq task of all run types. A message is a hint; the ledger decides."""

from typing import Annotated
from uuid import UUID

from taskiq import Context, TaskiqDepends

from workers.broker import RunBroker
from workers.names import ANY_NAME
from workers.runner import RunRunner
from workers.tracing import continued


def register_task(broker: RunBroker, runner: RunRunner) -> None:
    """Let the runner have every message; it gives those of unknown types back."""

    async def execute(
        tenant_id: str, run_id: str, context: Annotated[Context, TaskiqDepends()]
    ) -> None:
        with continued(context.message.labels):
            await runner.execute(context.message.task_name, UUID(tenant_id), UUID(run_id))

    broker.register_task(execute, ANY_NAME)
