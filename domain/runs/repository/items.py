"""The items of a run and its failures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Integer, Uuid, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.runs.failures import FailureReason
from domain.runs.models import ItemOutcome, Lease
from domain.runs.repository.transitions import FENCED, NEXT_VERSION, held
from domain.tables import operation_run, run_failure, run_item
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, each


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The outcome of one item; it has a `reason` if it failed, a `message` unless it succeeded."""

    key: str
    outcome: ItemOutcome
    reason: FailureReason | None = None
    message: str = ""


_items = each(run_item.c.item_key, run_item.c.outcome, run_item.c.skip_reason)
_ADD_ITEMS = Statement(
    upsert(run_item)
    .from_select(
        ["tenant_id", "run_id", "attempt", "item_key", "outcome", "skip_reason"],
        select(
            TENANT,
            bindparam("the_run", type_=Uuid()),
            bindparam("held_attempt", type_=Integer()),
            *_items.c,
        ),
    )
    .on_conflict_do_nothing()
    .returning(run_item.c.item_key)
)
_failures = each(*(run_failure.c[name] for name in ("item_key", "reason", "message", "error_id")))
_ADD_FAILURES = Statement(
    insert(run_failure).from_select(
        ["tenant_id", "run_id", "attempt", "item_key", "reason", "message", "error_id"],
        select(
            TENANT,
            bindparam("the_run", type_=Uuid()),
            bindparam("held_attempt", type_=Integer()),
            *_failures.c,
        ),
    )
)
_COUNT_ITEMS = Statement(
    FENCED.values(
        **{
            outcome.value: operation_run.c[outcome.value]
            + bindparam(f"new_{outcome.value}", type_=Integer())
            for outcome in ItemOutcome
        },
        **NEXT_VERSION,
    )
)


async def record(session: TenantSession, lease: Lease, items: Sequence[ItemResult]) -> bool:
    """Write each item once, and add exactly the new items to the counts (R4).

    The caller has locked the run's row (`lock`). The first outcome of an item stands, within
    `items` as well as across attempts. Without a new item, returns False and leaves `version` as
    it is.
    """
    first = {item.key: item for item in reversed(items)}
    holder = held(lease)
    values = {
        "item_key": [*first],
        "outcome": [item.outcome for item in first.values()],
        "skip_reason": [
            item.message if item.outcome is ItemOutcome.SKIPPED else None for item in first.values()
        ],
    }
    new = [first[key] for key in await session.scalars(_ADD_ITEMS, {**holder, **values})]
    if not new:
        return False
    failures = [(i.key, i.reason, i.message, None) for i in new if i.reason is not None]
    if failures:
        await _add_failures(session, lease.run_id, lease.attempt, failures)
    counts = Counter(f"new_{item.outcome.value}" for item in new)
    none = dict.fromkeys((f"new_{outcome.value}" for outcome in ItemOutcome), 0)
    await session.execute(_COUNT_ITEMS, {**holder, **none, **counts})
    return True


async def add_failure(
    session: TenantSession,
    run_id: UUID,
    *,
    reason: FailureReason,
    message: str,
    attempt: int,
    error_id: str | None = None,
) -> None:
    """Record why the run failed as a whole, with a sanitized message."""
    await _add_failures(session, run_id, attempt, [("", reason, message, error_id)])


async def _add_failures(
    session: TenantSession,
    run_id: UUID,
    attempt: int,
    failures: Sequence[tuple[str, FailureReason, str, str | None]],
) -> None:
    keys, reasons, messages, error_ids = zip(*failures, strict=True)
    await session.execute(
        _ADD_FAILURES,
        {
            "the_run": run_id,
            "held_attempt": attempt,
            "item_key": keys,
            "reason": reasons,
            "message": messages,
            "error_id": error_ids,
        },
    )
