"""The audit log: who started or changed what, and which requests were refused.

Each record of the logger `audit` has fixed fields. They never hold a token, a name, an address or
a run's parameters.
"""

import logging
from collections.abc import Hashable, Iterable, Mapping
from time import monotonic
from uuid import UUID

from domain.errors import ErrorCode, UserErrorCode, UserInputError
from domain.tenancy.models import TenantAccess, kind_of
from gql.errors import PublicError
from gql.request import current_request

logger = logging.getLogger("audit")

# Log an identical refusal at most once in this many seconds, so that a retrying client cannot
# fill the disk.
PAUSE_SECONDS = 1.0
# The number of kinds of refusals to remember for that.
MAX_KINDS = 1000

_REFUSALS: dict[ErrorCode | UserErrorCode, str] = {
    ErrorCode.UNAUTHENTICATED: "token.refused",
    ErrorCode.FORBIDDEN: "access.refused",
    ErrorCode.LIMIT_EXCEEDED: "access.refused",
    ErrorCode.RATE_LIMITED: "access.refused",
    ErrorCode.DOCUMENT_NOT_REGISTERED: "access.refused",
    UserErrorCode.TOO_MANY_ACTIVE_RUNS: "run.refused",
}
# The messages of these hold numbers that change, so they do not distinguish refusals.
_WITH_NUMBERS = (
    ErrorCode.LIMIT_EXCEEDED,
    ErrorCode.RATE_LIMITED,
    UserErrorCode.TOO_MANY_ACTIVE_RUNS,
)


def audit(event: str, access: TenantAccess | None = None, **facts: object) -> None:
    """Record an action of the current caller; `access` names its tenant, if it has one."""
    _write(event, "done", {**_caller(access.tenant_id if access else None), **facts})


def audit_refused_start(error: UserInputError, access: TenantAccess) -> None:
    """Record a refused start, unless only its input was wrong."""
    _refuse(error.code, error.message, access.tenant_id)


def audit_refusals(errors: Iterable[PublicError]) -> None:
    """Record the refusals among the errors of the current request."""
    for error in errors:
        _refuse(error.code, error.message, error.tenant_id)


def _caller(tenant_id: UUID | None) -> dict[str, object]:
    request = current_request()
    actor = request.actor_id
    return {
        "actor_id": actor,
        "actor_kind": None if actor is None else kind_of(actor),
        "request_id": request.id or None,
        "transport": request.transport,
        "tenant_id": tenant_id,
    }


def _refuse(code: ErrorCode | UserErrorCode, reason: str, tenant_id: UUID | None) -> None:
    if code not in _REFUSALS:
        return
    caller = _caller(tenant_id)
    kind = None if code in _WITH_NUMBERS else reason
    repeated = _repeats.admit((code, kind, caller["actor_id"]))
    if repeated is not None:
        facts = {"error_code": code, "reason": reason, "repeated": repeated or None}
        _write(_REFUSALS[code], "refused", {**caller, **facts})


def _write(event: str, outcome: str, facts: Mapping[str, object]) -> None:
    fields = {"event": event, "outcome": outcome, **facts}
    logger.info(
        "Audited", extra={name: str(value) for name, value in fields.items() if value is not None}
    )


class _Repeats:
    """Admits one refusal of a kind in `PAUSE_SECONDS`, and counts the others."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[float, int]] = {}

    def admit(self, kind: Hashable) -> int | None:
        """Return how many of the kind were held back since the last; None to hold this one back."""
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
