"""The items of a run and its failures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, Uuid, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from domain.lifecycle import RunStatus
from domain.runs.models import ItemOutcome, Lease, RunEventKind
from domain.runs.repository.recording import NEXT_VERSION, recorded
from domain.runs.repository.transitions import FENCED, held
from domain.tables import operation_run, run_failure, run_item
from domain.tenancy.session import TenantSession
from domain.tenancy.statements import TENANT, Statement, each


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The outcome of one item; it has a `reason` if it failed, a `message` unless it succeeded."""

    key: str
    outcome: ItemOutcome
    reason: str | None = None
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
_failures = each(*(run_failure.c[name] for name in ("item_key", "reason", "message")))
_ADD_FAILURES = Statement(
    insert(run_failure).from_select(
        ["tenant_id", "run_id", "attempt", "item_key", "reason", "message"],
        select(
            TENANT,
            bindparam("the_run", type_=Uuid()),
            bindparam("held_attempt", type_=Integer()),
            *_failures.c,
        ),
    )
)
_COUNT_ITEMS = recorded(
    FENCED.values(
        **{
            outcome.value: operation_run.c[outcome.value]
            + bindparam(f"new_{outcome.value}", type_=Integer())
            for outcome in ItemOutcome
        },
        **NEXT_VERSION,
    ),
    RunEventKind.PROGRESSED,
    left=RunStatus.RUNNING,
)


async def record(session: TenantSession, lease: Lease, items: Sequence[ItemResult]) -> bool:
    """Write each item once, and add exactly the new items to the counts, with one event (R4).

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
    failures = [item for item in new if item.reason is not None]
    if failures:
        values = {
            "item_key": [item.key for item in failures],
            "reason": [item.reason for item in failures],
            "message": [item.message for item in failures],
        }
        await session.execute(_ADD_FAILURES, {**holder, **values})
    counts = Counter(f"new_{item.outcome.value}" for item in new)
    none = dict.fromkeys((f"new_{outcome.value}" for outcome in ItemOutcome), 0)
    await session.execute(_COUNT_ITEMS, {**holder, **none, **counts})
    return True
