"""Execute a run: claim it, keep its lease, call its producer, record its end."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from itertools import count
from uuid import UUID, uuid4

from opentelemetry.trace import NoOpTracer, StatusCode, Tracer, get_current_span

from domain.log_context import log_context
from domain.outages import backoff
from domain.runs.execution import LeaseLostError, RunClaimer, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.run_types import run_types
from domain.tenancy.session import DatabaseUnavailableError
from workers.metrics import RunMetrics
from workers.producers.producer import Producer
from workers.slots import Slot
from workers.tracing import attempt

logger = logging.getLogger(__name__)

_OUTAGE_DELAY = timedelta(seconds=5)


class RunRunner:
    """Executes runs for a worker process, and returns unfinished runs to the queue."""

    def __init__(
        self,
        claimer: RunClaimer,
        producers: Mapping[str, Producer],
        *,
        lease: timedelta,
        run_timeout: timedelta,
        slots: asyncio.Semaphore | None = None,
        metrics: RunMetrics | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        """Execute runs of these producers; `slots` are those of the receiver, if it has a bound."""
        self._claimer = claimer
        self._slots = slots
        self._producers = producers
        self._lease = lease
        self._run_timeout = run_timeout
        self._metrics = metrics or RunMetrics(None)
        self._tracer = tracer or NoOpTracer()
        self._active: set[asyncio.Task[None]] = set()

    async def execute(self, run_type: str, tenant_id: UUID, run_id: UUID) -> None:
        """Work on the run that a message names; a duplicate message does nothing.

        Returns when the run ends, or when it leaves its slot; then it goes on by itself.
        Raises only when cancelled; the outcome is recorded in the ledger. A run of an unknown
        type is given back to the outbox, for a worker that knows it.
        """
        with log_context(tenant_id=tenant_id, run_id=run_id):
            producer = self._producers.get(run_type)
            if producer is None:
                await self._give_back(run_type, tenant_id, run_id)
            elif (execution := await self._claim(tenant_id, run_id)) is not None:
                await self._start(producer, execution)

    async def _start(self, producer: Producer, execution: RunExecution) -> None:
        task = asyncio.create_task(self._attempt(producer, execution))
        self._active.add(task)
        task.add_done_callback(self._active.discard)
        if self._slots is None:
            await asyncio.wait([task])
            return
        slot = Slot(self._slots)
        execution.outside_slot = slot.outside
        task.add_done_callback(lambda _: slot.free())
        leaving = asyncio.create_task(slot.left.wait())
        try:
            await asyncio.wait([task, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()

    async def _claim(self, tenant_id: UUID, run_id: UUID) -> RunExecution | None:
        try:
            return await self._claimer.claim(tenant_id, run_id, self._lease)
        except DatabaseUnavailableError as error:
            logger.warning("Run %s waits for the database: %s", run_id, error)
        except Exception:
            logger.exception("Run %s was not claimed", run_id, extra={"error_id": uuid4().hex})
        return None

    async def _give_back(self, run_type: str, tenant_id: UUID, run_id: UUID) -> None:
        logger.info("Run %s is given back: this worker does not know %s", run_id, run_type)
        try:
            await self._claimer.give_back(tenant_id, run_id)
        except DatabaseUnavailableError as error:
            logger.warning("Run %s waits for its redispatch: %s", run_id, error)
        except Exception:
            logger.exception("Run %s was not given back", run_id, extra={"error_id": uuid4().hex})

    async def hand_back(self) -> None:
        """Stop all work, and return the runs to the queue without counting the attempts."""
        tasks = list(self._active)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _attempt(self, producer: Producer, execution: RunExecution) -> None:
        with attempt(self._tracer, execution):
            try:
                await self._work(producer, execution)
            except Exception:
                # Its end was not recorded. The lease expires, and another attempt follows.
                get_current_span().set_status(StatusCode.ERROR, FailureReason.INTERNAL_ERROR)
                logger.exception(
                    "Run %s was abandoned", execution.run.id, extra={"error_id": uuid4().hex}
                )

    async def _work(self, producer: Producer, execution: RunExecution) -> None:
        run_id = execution.run.id
        run_type = execution.run.run_type
        logger.info("Run %s (%s) began", run_id, run_type)
        try:
            await self._produce(producer, execution)
            self._metrics.ended(await execution.finish())
        except LeaseLostError:
            logger.warning("Run %s was taken away; its uncommitted work is dropped", run_id)
        except ProducerError as error:
            await self._fail(execution, error.reason, error.message)
        except DatabaseUnavailableError as error:
            logger.warning("Run %s lost the database: %s", run_id, error)
            # Wait longer after each attempt, in case the run itself breaks the connection.
            await self._release(execution, _OUTAGE_DELAY * min(execution.lease.attempt, 60))
        except asyncio.CancelledError:
            logger.info("Run %s is handed back", run_id)
            await self._release(execution, timedelta(0))
        except Exception as error:
            error_id = uuid4().hex
            logger.exception("Run %s failed unexpectedly", run_id, extra={"error_id": error_id})
            # The error's text may quote the tenant's policies, so users do not see it.
            message = f"Unexpected {type(error).__name__}; see the server's log."
            await self._fail(execution, FailureReason.INTERNAL_ERROR, message, error_id)
        else:
            logger.info("Run %s (%s) ended", run_id, run_type)

    async def _produce(self, producer: Producer, execution: RunExecution) -> None:
        timeout = run_types()[execution.run.run_type].timeout or self._run_timeout
        work = asyncio.create_task(producer.run(execution))
        beat = asyncio.create_task(self._keep_alive(execution))
        try:
            await asyncio.wait(
                [work, beat],
                timeout=timeout.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if work.done():
                work.result()
            elif beat.done():
                beat.result()
            else:
                raise ProducerError(FailureReason.TIMEOUT, f"The run took longer than {timeout}.")
        finally:
            work.cancel()
            beat.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _keep_alive(self, execution: RunExecution) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await execution.heartbeat(self._lease)
            except LeaseLostError:
                raise
            except Exception as error:  # noqa: BLE001 - the run survives a missed heartbeat
                logger.warning("Run %s missed a heartbeat: %s", execution.run.id, error)

    async def _fail(
        self,
        execution: RunExecution,
        reason: str,
        message: str,
        error_id: str | None = None,
    ) -> None:
        logger.info("Run %s failed: %s", execution.run.id, reason)
        get_current_span().set_status(StatusCode.ERROR, reason)
        try:
            self._metrics.ended(await execution.fail(reason, message, error_id=error_id))
        except LeaseLostError:
            logger.warning("Run %s was taken away before it could fail", execution.run.id)
        except DatabaseUnavailableError as error:
            # The lease expires, and the next attempt fails again if the cause persists.
            logger.warning("Run %s could not be marked as failed: %s", execution.run.id, error)

    async def _release(self, execution: RunExecution, delay: timedelta) -> None:
        """Return the run to the queue; retry until the lease expires if the database is down."""
        try:
            async with asyncio.timeout(self._lease.total_seconds()):
                for failures in count(1):
                    try:
                        return await execution.release(delay)
                    except DatabaseUnavailableError:
                        await asyncio.sleep(backoff(failures))
        except (LeaseLostError, TimeoutError):
            logger.warning("Run %s is left to the rescuer", execution.run.id)
