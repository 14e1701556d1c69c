"""The Taskiq tasks, one per run type. A message is a hint; the ledger decides."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from opentelemetry.trace import NoOpTracer, Tracer
from taskiq import AsyncBroker, Context, TaskiqDepends
from taskiq.exceptions import SendTaskError
from taskiq.kicker import AsyncKicker

from domain.runs.maintenance import DispatchUnavailableError, Send
from domain.runs.models import Dispatch
from workers.producers.producer import Producer
from workers.runner import RunRunner
from workers.tracing import continued, sending


def register_tasks(broker: AsyncBroker, producers: Iterable[Producer], runner: RunRunner) -> None:
    """Register a task for each producer under its run type."""
    for producer in producers:
        broker.register_task(_task(producer.run_type, runner), task_name=producer.run_type)


def _task(run_type: str, runner: RunRunner):  # type: ignore[no-untyped-def]
    async def execute(
        tenant_id: str, run_id: str, context: Annotated[Context, TaskiqDepends()]
    ) -> None:
        with continued(context.message.labels):
            await runner.execute(run_type, UUID(tenant_id), UUID(run_id))

    return execute


def sender(broker: AsyncBroker, tracer: Tracer | None = None) -> Send:
    """Return a function that sends dispatches to the workers, each with a span."""
    tracing = tracer or NoOpTracer()

    async def send(dispatch: Dispatch) -> None:
        with sending(tracing, dispatch) as labels:
            kicker: AsyncKicker[[str, str], None] = AsyncKicker(dispatch.run_type, broker, labels)
            try:
                await kicker.kiq(str(dispatch.tenant_id), str(dispatch.run_id))
            except SendTaskError as error:
                # A timeout has a type but no text.
                raise DispatchUnavailableError(repr(error.__cause__)) from error

    return send
