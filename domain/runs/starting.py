"""Start a run, or meet the one that is already at it (R6, R7)."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import UserErrorCode, UserInputError
from domain.notifications import repository as notifications
from domain.notifications.models import NotificationOutcome
from domain.runs.idempotency import idempotency_key
from domain.runs.models import RunEventKind, StartedRun, StartOutcome
from domain.runs.repository import feed, reading, transitions
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import start_permission
from domain.tenancy.transactions import Transactions
from domain.wakeups import OUTBOX_TOPIC, WakeUps, feed_topic

_TRIES = 5


class StartContentionError(Exception):
    """Time after time the run that held the key ended before it could be read."""


class RunStarter:
    """The one door through which runs enter the ledger."""

    def __init__(
        self,
        transactions: Transactions,
        wakeups: WakeUps,
        *,
        max_active_runs: int,
        traceparent: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Prepare to start runs, of each tenant up to `max_active_runs` at a time.

        `traceparent` names the trace of whoever starts one, which the run then continues.
        """
        self._transactions = transactions
        self._wakeups = wakeups
        self._max_active_runs = max_active_runs
        self._traceparent = traceparent

    async def start(
        self,
        access: TenantAccess,
        *,
        resource: str,
        action: str,
        subject: str,
        context: Mapping[str, Any],
    ) -> StartedRun:
        """Write the run, its dispatch order, its first event and its notification at once.

        `subject` names what the run works on as people know it (a scope's key, a backup
        set's name); `context` are the parameters it runs with, and makes up its identity.

        Raises:
            ForbiddenError: the role may not start this type.
            UserInputError: TOO_MANY_ACTIVE_RUNS, unless the run is one of them.
        """
        run_type = f"{resource}.{action}"
        key = idempotency_key(run_type, context)
        tenant_id = access.tenant_id
        async with self._transactions.member(access, start_permission(run_type)) as connection:
            for _ in range(_TRIES):
                run_id = await transitions.insert_pending(
                    connection,
                    tenant_id,
                    resource=resource,
                    action=action,
                    key=key,
                    subject=subject,
                    context=context,
                    initiator=access.initiator,
                    traceparent=self._traceparent(),
                )
                if run_id is not None:
                    outcome = StartOutcome.CREATED
                    await self._announce(connection, access, run_id)
                    await self._require_room(connection, tenant_id)
                    break
                run_id = await transitions.active_with_key(connection, tenant_id, run_type, key)
                if run_id is not None:
                    outcome = StartOutcome.REUSED_ACTIVE
                    break
            else:
                raise StartContentionError(f"{run_type} kept ending in {_TRIES} tries")
            (run,) = await reading.by_ids(connection, tenant_id, [run_id])
        if outcome is StartOutcome.CREATED:
            await self._wakeups.nudge(OUTBOX_TOPIC, feed_topic(tenant_id))
        return StartedRun(run, outcome)

    async def _require_room(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        # Behind the event, whose number other starts of the tenant wait for: so none is missed.
        limit = self._max_active_runs
        if await transitions.count_active(connection, tenant_id, limit=limit + 1) > limit:
            raise UserInputError(
                UserErrorCode.TOO_MANY_ACTIVE_RUNS,
                f"{limit} runs are queued or running, which is the most that a tenant may have."
                " Start this one again when some of them have ended.",
            )

    async def _announce(
        self, connection: AsyncConnection, access: TenantAccess, run_id: UUID
    ) -> None:
        await transitions.enqueue(connection, access.tenant_id, run_id)
        seq = await feed.emit(connection, access.tenant_id, run_id, RunEventKind.QUEUED)
        await notifications.add(
            connection,
            access.tenant_id,
            access.user_id,
            run_id,
            seq,
            NotificationOutcome.QUEUED,
        )
