"""Start a run, or return the active one that does the same work (R6, R7)."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from domain.errors import UserErrorCode, UserInputError
from domain.runs.dispatching import Dispatcher, Send
from domain.runs.idempotency import idempotency_key
from domain.runs.models import StartedRun, StartOutcome
from domain.runs.repository import transitions
from domain.runs.repository.transitions import Created
from domain.runs.run_types import run_types
from domain.tenancy.models import TenantAccess
from domain.tenancy.session import RefusedError
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
        """Write the run, its outbox entry, first event and notification with one statement.

        `subject` is the display name of the scope or backup set that the run works on. `context`
        holds its parameters; runs with equal contexts do the same work.

        Raises:
            ForbiddenError: the role may not start this type.
            UserInputError: TOO_MANY_ACTIVE_RUNS, unless such a run is active already.
        """
        name = f"{resource}.{action}"
        run_type = run_types().for_start(access, name)
        key = idempotency_key(name, context)
        insert = partial(
            transitions.insert_pending,
            resource=resource,
            action=action,
            key=key,
            subject=subject,
            context=context,
            attempts=run_type.attempts,
            initiator=access.initiator,
            traceparent=self._traceparent(),
            share=self._dispatcher.share,
        )
        for _ in range(_TRIES):
            created = await self._create(access, insert)
            if created is not None:
                run, entry = created
                await self._dispatcher.announce(access.tenant_id, entry)
                return StartedRun(run, StartOutcome.CREATED)
            active = await self._transactions.read(transitions.active_with_key, access, name, key)
            if active is not None:
                return StartedRun(active, StartOutcome.REUSED_ACTIVE)
        raise StartContentionError(f"{_TRIES} tries met a {name} that had just ended")

    async def _create(
        self, access: TenantAccess, insert: Callable[..., Awaitable[Created | None]]
    ) -> Created | None:
        limit = self._max_active_runs
        try:
            return await self._transactions.record(
                access.tenant_id,
                lambda session: insert(session, active_limit=limit),
                access.user_id,
            )
        except RefusedError:
            # Perhaps the tenant has too many active runs. After the event, all are counted,
            # because concurrent starts of the tenant wait for its number.
            async with self._transactions.tenant(access.tenant_id, access.user_id) as session:
                created = await insert(session, active_limit=None)
                if created and await transitions.count_active_runs(session, limit + 1) > limit:
                    raise _too_many(limit) from None
                return created


def _too_many(limit: int) -> UserInputError:
    return UserInputError(
        UserErrorCode.TOO_MANY_ACTIVE_RUNS,
        f"{limit} runs are queued or running, the most that a tenant may have."
        " Start this one again when some of them have ended.",
    )
