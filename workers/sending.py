"""Send the messages of runs to the workers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from opentelemetry.trace import NoOpTracer, Tracer
from taskiq.message import BrokerMessage, TaskiqMessage

from domain.runs.dispatching import DispatchUnavailableError, Send
from domain.runs.models import Dispatch
from workers.broker import RunBroker
from workers.tracing import sending


def sender(broker: RunBroker, tracer: Tracer | None = None) -> Send:
    """Return a function that sends dispatches to the workers, each with a span."""
    tracing = tracer or NoOpTracer()

    def message(dispatch: Dispatch, labels: dict[str, str]) -> BrokerMessage:
        return broker.formatter.dumps(
            TaskiqMessage(
                task_id=str(dispatch.run_id),
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


@asynccontextmanager
async def open_sender(url: str, tracer: Tracer) -> AsyncIterator[Send]:
    """Open a sender for a process that executes no runs."""
    broker = RunBroker(url)
    try:
        yield sender(broker, tracer)
    finally:
        await broker.connection_pool.disconnect()
