"""The audit log: who started or changed what, and who was refused; one record each.

All it tells is in fixed fields of the records of the logger `audit`. No token, name, address or
parameter of a run is among them.
"""

import asyncio
import logging
from collections.abc import Coroutine, Hashable, Iterable, Mapping
from time import monotonic
from typing import Any, Protocol, TypeVar
from uuid import UUID

from domain.errors import DomainError, ErrorCode, UserErrorCode, UserInputError
from domain.tenancy.models import TenantAccess
from gql.errors import public_error

logger = logging.getLogger("audit")

# Seconds in which the same refusal is written once: who is refused all the time fills no disk.
PAUSE_SECONDS = 1.0
# Of refusals, that are told from each other.
MAX_KINDS = 1000
# Seconds that changes may still take whose clients have left when the server stops.
LAST_SECONDS = 2.0

T = TypeVar("T")

_under_way: set[asyncio.Task[Any]] = set()

_REFUSALS: dict[ErrorCode | UserErrorCode, str] = {
    ErrorCode.UNAUTHENTICATED: "token.refused",
    ErrorCode.FORBIDDEN: "access.refused",
    ErrorCode.LIMIT_EXCEEDED: "access.refused",
    ErrorCode.RATE_LIMITED: "access.refused",
    ErrorCode.DOCUMENT_NOT_REGISTERED: "access.refused",
    UserErrorCode.TOO_MANY_ACTIVE_RUNS: "run.refused",
}
# How much is too much, and for how long, may be told with changing numbers.
_WITH_NUMBERS = (
    ErrorCode.LIMIT_EXCEEDED,
    ErrorCode.RATE_LIMITED,
    UserErrorCode.TOO_MANY_ACTIVE_RUNS,
)


class ShownError(Protocol):
    """An error as the client gets it."""

    message: str
    tenant_id: UUID | None

    @property
    def code(self) -> ErrorCode:
        """The code that the client gets."""
        ...


async def run_to_completion(work: Coroutine[Any, Any, T], context: object) -> T:
    """Let a change and its record be one: a client that leaves meanwhile stops neither.

    A cancellation comes only afterwards. Then an error, which has no answer to be in any more,
    is logged and audited here.
    """
    task = asyncio.create_task(work)
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is None:
        return task.result()
    failure = None if task.cancelled() else task.exception()
    if isinstance(failure, Exception):
        audit_refusals([public_error(failure)], context)
    raise cancellation


async def wait_for_mutations() -> None:
    """Wait, but not for ever, for changes that nobody else waits for."""
    if _under_way:
        await asyncio.wait(_under_way, timeout=LAST_SECONDS)


def audit(event: str, context: object, access: TenantAccess | None = None, **facts: object) -> None:
    """Write that whoever `context` is about did something, in a tenant if it was in one."""
    where = {"tenant_id": access.tenant_id} if access else {}
    _write(event, "done", {**_asker(context), **where, **facts})


def audit_refused_start(error: UserInputError, context: object, access: TenantAccess) -> None:
    """Write it if a start was refused for more than what its input says."""
    _refuse(error.code, error.message, {**_asker(context), "tenant_id": access.tenant_id})


def audit_refusals(errors: Iterable[ShownError], context: object) -> None:
    """Write which of the errors of an operation refused something."""
    for error in errors:
        told = {**_asker(context), "tenant_id": error.tenant_id}
        _refuse(error.code, error.message, told)


def audit_refusal_at_door(error: DomainError, **request: object) -> None:
    """Write it if the error kept a request from having a context at all."""
    _refuse(error.code, str(error), {**request, "actor_id": error.user_id})


def _asker(context: object) -> dict[str, object]:
    return {name: getattr(context, name, None) for name in ("actor_id", "request_id", "transport")}


def _refuse(code: ErrorCode | UserErrorCode, reason: str, told: Mapping[str, object]) -> None:
    if code not in _REFUSALS:
        return
    kind = None if code in _WITH_NUMBERS else reason
    held_back = _repeats.admit((code, kind, told.get("actor_id")))
    if held_back is not None:
        facts = {**told, "error_code": code, "reason": reason, "repeated": held_back or None}
        _write(_REFUSALS[code], "refused", facts)


def _write(event: str, outcome: str, facts: Mapping[str, object]) -> None:
    told = {"event": event, "outcome": outcome, **facts}
    logger.info(
        "Audited", extra={name: str(fact) for name, fact in told.items() if fact is not None}
    )


class _Repeats:
    """Lets one of a kind pass at a time."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[float, int]] = {}

    def admit(self, kind: Hashable) -> int | None:
        """Return how many of the kind were held back before this one; None to hold it back."""
        now = monotonic()
        passed_at, held_back = self._held.get(kind, (float("-inf"), 0))
        if now - passed_at < PAUSE_SECONDS:
            self._held[kind] = (passed_at, held_back + 1)
            return None
        if len(self._held) >= MAX_KINDS:
            self._held.clear()
        self._held[kind] = (now, 0)
        return held_back


_repeats = _Repeats()
