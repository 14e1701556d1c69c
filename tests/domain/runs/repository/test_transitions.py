"""SQL changes a run's status only as the table of transitions allows."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.lifecycle import ACTIVE_STATUSES, TRANSITIONS, RunStatus
from domain.runs.failures import FailureReason
from domain.runs.models import ItemOutcome, Lease
from domain.runs.repository import items, transitions
from domain.runs.repository.items import ItemResult
from domain.runs.repository.recording import Failure
from domain.tenancy.session import TenantSession
from opsrun.postgres.engines import Login
from tests.acts import insert_runs, rescue, run_maintenance
from tests.world import LEASE, World

_FAILURE = Failure(FailureReason.INVALID_JSON, "No JSON.")

Step = Callable[[TenantSession, Lease], Awaitable[Any]]


async def _record(session: TenantSession, lease: Lease) -> None:
    if await transitions.lock(session, lease):
        await items.record(session, lease, [ItemResult("a", ItemOutcome.SUCCEEDED)])


# Every step that a worker can try, with or without the lease.
STEPS: dict[str, Step] = {
    "claim": lambda session, lease: transitions.claim(
        session, lease.run_id, owner="test", lease=LEASE
    ),
    "heartbeat": lambda session, lease: transitions.heartbeat(session, lease, LEASE),
    "total": lambda session, lease: transitions.set_total(session, lease, 9),
    "record": _record,
    "complete": lambda session, lease: transitions.finish(session, lease, None, share=0),
    "fail": lambda session, lease: transitions.finish(session, lease, _FAILURE, share=0),
    "release": lambda session, lease: transitions.release(session, lease, timedelta(0)),
}


async def _statuses(world: World, run_ids: list[UUID]) -> list[RunStatus]:
    rows = await world.rows(
        "SELECT id, status FROM opsrun.operation_run WHERE id = ANY(:ids)", ids=run_ids
    )
    statuses = dict(map(tuple, rows))
    return [RunStatus(statuses[run_id]) for run_id in run_ids]


def _ancient(status: RunStatus, **more: Any) -> dict[str, Any]:
    """Return a run so old that only its status can keep maintenance from changing it."""
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    return {
        "status": status,
        "not_before": long_ago,
        "lease_expires_at": long_ago,
        "lease_token": uuid4() if status is RunStatus.RUNNING else None,
        "attempt": 1,
        **more,
    }


async def test_workers_and_maintenance_make_exactly_the_transitions_of_the_table(
    world: World,
) -> None:
    cases: list[tuple[RunStatus, Step | None, dict[str, Any]]] = []
    for status in RunStatus:
        for step in STEPS.values():
            cases += (
                (status, step, _ancient(status)),
                (status, step, _ancient(status, failed=1)),
            )
        # For rescue and abort: with and without attempts left.
        cases += (
            (status, None, _ancient(status)),
            (status, None, _ancient(status, attempt=3)),
        )
    run_ids = await insert_runs(world, [run for _, _, run in cases])
    worker = world.resources[Login.WORKER].transactions
    async with worker.tenant(world.tenant_id) as session:
        for run_id, (_, attempted, run) in zip(run_ids, cases, strict=True):
            if attempted is not None:
                token = run["lease_token"] or uuid4()
                await attempted(session, Lease(run_id, 1, token))
    by_workers = await _statuses(world, run_ids)
    await rescue(world)
    while await run_maintenance(world).abort_forgotten(limit=timedelta(days=365)):
        pass
    by_maintenance = await _statuses(world, run_ids)

    seen: dict[RunStatus, set[RunStatus]] = {status: set() for status in RunStatus}
    for (before, by_worker, _), worker_made, maintenance_made in zip(
        cases, by_workers, by_maintenance, strict=True
    ):
        after = worker_made if by_worker else maintenance_made
        if after is not before:
            seen[before].add(after)
    assert seen == TRANSITIONS


@pytest.mark.parametrize(
    "status", [status for status in RunStatus if status not in ACTIVE_STATUSES]
)
async def test_an_ended_run_does_not_change(world: World, status: RunStatus) -> None:
    (run_id,) = await insert_runs(world, [_ancient(status)])
    before = await world.rows("SELECT * FROM opsrun.operation_run WHERE id = :id", id=run_id)
    async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
        for step in STEPS.values():
            await step(session, Lease(run_id, 1, uuid4()))
    await rescue(world)
    await run_maintenance(world).redispatch(stale=timedelta(0))
    assert before == await world.rows(
        "SELECT * FROM opsrun.operation_run WHERE id = :id", id=run_id
    )
