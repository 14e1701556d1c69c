"""Start a run, or return the active one that does the same work (R6, R7)."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import UserErrorCode, UserInputError
from domain.runs.dispatching import Dispatcher, Send
from domain.runs.idempotency import idempotency_key
from domain.runs.models import StartedRun, StartOutcome
from domain.runs.repository import reading, transitions
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import start_permission
from domain.tenancy.session import TenantSession
from domain.tenancy.transactions import Transactions
from domain.wakeups import WakeUps

_TRIES = 5


class StartContentionError(Exception):
    """In every try, the active run with the same key ended before it could be read."""


class RunStarter:
    """The only way to add a run to the ledger.

    started = await starter.start(
        access, resource="inventory", action="sync", subject="prod", context={"scopeKey": "prod"}
    )
    """

    def __init__(
        self,
        transactions: Transactions,
        wakeups: WakeUps,
        *,
        max_active_runs: int,
        traceparent: Callable[[], str | None] = lambda: None,
        send: Send | None = None,
        share: int = 0,
    ) -> None:
        """Allow each tenant `max_active_runs` at a time; `send` those that are in its share.

        `traceparent` returns the trace context of the current request, which a new run continues.
        """
        self._transactions = transactions
        self._dispatcher = Dispatcher(transactions, wakeups, send, share)
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
        """Write the run, its outbox entry, first event and notification in one transaction.

        `subject` is the display name of the scope or backup set that the run works on. `context`
        holds its parameters; runs with equal contexts do the same work.

        Raises:
            ForbiddenError: the role may not start this type.
            UserInputError: TOO_MANY_ACTIVE_RUNS, unless such a run is active already.
        """
        run_type = f"{resource}.{action}"
        key = idempotency_key(run_type, context)
        async with self._transactions.member(access, start_permission(run_type)) as session:
            for _ in range(_TRIES):
                created = await transitions.insert_pending(
                    session,
                    resource=resource,
                    action=action,
                    key=key,
                    subject=subject,
                    context=context,
                    initiator=access.initiator,
                    traceparent=self._traceparent(),
                    share=self._dispatcher.share,
                    active_limit=self._max_active_runs,
                )
                if created is not None:
                    run, entry, has_room = created
                    if not has_room:
                        await self._require_room(session)
                    break
                run_id = await transitions.active_with_key(session, run_type, key)
                if run_id is not None:
                    run = (await reading.by_ids(session, [run_id]))[run_id]
                    return StartedRun(run, StartOutcome.REUSED_ACTIVE)
            else:
                raise StartContentionError(f"{_TRIES} tries met a {run_type} that had just ended")
        await self._dispatcher.announce(access.tenant_id, entry)
        return StartedRun(run, StartOutcome.CREATED)

    async def _require_room(self, session: TenantSession) -> None:
        # After the event: concurrent starts of the tenant wait for its number, so all are counted.
        limit = self._max_active_runs
        if await transitions.count_active_runs(session, limit=limit + 1) > limit:
            raise UserInputError(
                UserErrorCode.TOO_MANY_ACTIVE_RUNS,
                f"{limit} runs are queued or running, the most that a tenant may have."
                " Start this one again when some of them have ended.",
            )
