"""The Taskiq tasks, one per run type. A message is a hint; the ledger decides."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Annotated
from uuid import UUID

from opentelemetry.trace import NoOpTracer, Tracer
from taskiq import AsyncBroker, Context, TaskiqDepends
from taskiq.message import BrokerMessage, TaskiqMessage

from domain.runs.maintenance import DispatchUnavailableError, Send
from domain.runs.models import Dispatch
from workers.broker import RunBroker
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


def sender(broker: RunBroker, tracer: Tracer | None = None) -> Send:
    """Return a function that sends dispatches to the workers, each with a span."""
    tracing = tracer or NoOpTracer()

    def message(dispatch: Dispatch, labels: dict[str, str]) -> BrokerMessage:
        return broker.formatter.dumps(
            TaskiqMessage(
                task_id=broker.id_generator(),
                task_name=dispatch.run_type,
                labels=labels,
                args=[str(dispatch.tenant_id), str(dispatch.run_id)],
                kwargs={},
            )
        )

    async def send(dispatches: Sequence[Dispatch]) -> None:
        with ExitStack() as spans:
            messages = [
                message(dispatch, spans.enter_context(sending(tracing, dispatch)))
                for dispatch in dispatches
            ]
            try:
                await broker.kick_all(messages)
            except Exception as error:
                # A timeout has a type but no text.
                raise DispatchUnavailableError(repr(error)) from error

    return send
