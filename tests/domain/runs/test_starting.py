"""A start is atomic, and equal starts share one run."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from asyncpg import IntegrityConstraintViolationError

from domain.errors import ForbiddenError, UserErrorCode, UserInputError
from domain.lifecycle import StatusBucket
from domain.runs.models import StartedRun, StartOutcome
from domain.runs.repository import transitions
from domain.runs.run_types import run_types
from domain.runs.starting import RunStarter, StartContentionError
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession
from domain.wakeups import OUTBOX_TOPIC, Waiter, WakeUps, feed_topic
from opsrun.postgres.engines import Login
from tests.acts import claim
from tests.ledger import count_rows, ledger_faults
from tests.world import MAX_ACTIVE_RUNS, World

CONTEXT = {"scopeKey": "prod"}


async def start(world: World, role: TenantRole = TenantRole.OPERATOR) -> StartedRun:
    """Start the sync of the same scope every time."""
    return await world.start(CONTEXT, role=role)


async def require_one_run(world: World, before: dict[str, int]) -> None:
    """Check that one run was added since `before`, with its entry, event and notification."""
    added = {"operation_run": 1, "outbox": 1, "run_event": 1, "notification": 1}
    assert await count_rows(world) == {
        name: rows + added.get(name, 0) for name, rows in before.items()
    }


async def abort(world: World, run_id: UUID) -> None:
    """Abort the run in the database."""
    await world.write(
        "UPDATE opsrun.operation_run SET status = 'aborted', finished_at = clock_timestamp()"
        " WHERE tenant_id = :tenant_id AND id = :id",
        id=run_id,
    )


async def test_run_outbox_entry_event_and_notification_are_written_in_one_transaction(
    world: World,
) -> None:
    empty = await count_rows(world)
    started = await start(world)

    assert started.outcome is StartOutcome.CREATED
    assert started.run.status_bucket is StatusBucket.QUEUED
    assert started.run.run_type == "inventory.sync"
    assert started.run.context == CONTEXT
    assert started.run.initiator == (await world.access()).initiator
    await require_one_run(world, empty)
    written_by = await world.rows(
        "SELECT xmin::text FROM opsrun.operation_run WHERE tenant_id = :tenant_id UNION"
        " SELECT xmin::text FROM opsrun.outbox WHERE tenant_id = :tenant_id UNION"
        " SELECT xmin::text FROM opsrun.run_event WHERE tenant_id = :tenant_id UNION"
        " SELECT xmin::text FROM opsrun.notification WHERE tenant_id = :tenant_id UNION"
        " SELECT xmin::text FROM opsrun.tenant_feed WHERE tenant_id = :tenant_id"
    )
    assert len(written_by) == 1
    assert not await ledger_faults(world)


async def test_fifty_equal_starts_at_once_make_one_run(world: World) -> None:
    empty = await count_rows(world)
    access = await world.access()

    async def one() -> StartedRun:
        return await world.starter.start(
            access, resource="inventory", action="sync", subject="prod", context=CONTEXT
        )

    started = await asyncio.gather(*(one() for _ in range(50)))

    outcomes = [each.outcome for each in started]
    assert outcomes.count(StartOutcome.CREATED) == 1
    assert outcomes.count(StartOutcome.REUSED_ACTIVE) == 49
    assert len({each.run.id for each in started}) == 1
    await require_one_run(world, empty)


async def test_starts_with_another_context_or_tenant_share_no_run(
    world: World, tmp_path: Path
) -> None:
    neighbour = await World.create(world.resources, tmp_path)
    first = await start(world)
    for other in (await start(neighbour), await world.start({"scopeKey": "test"})):
        assert other.outcome is StartOutcome.CREATED
        assert other.run.id != first.run.id


async def test_a_reused_run_keeps_its_initiator(world: World) -> None:
    first = await start(world, TenantRole.OPERATOR)
    again = await start(world, TenantRole.OWNER)
    assert again.outcome is StartOutcome.REUSED_ACTIVE
    assert again.run.initiator == first.run.initiator
    notified = await world.rows(
        "SELECT recipient_id FROM opsrun.notification WHERE tenant_id = :tenant_id"
    )
    assert [row.recipient_id for row in notified] == [world.members[TenantRole.OPERATOR].id]


@pytest.mark.parametrize("succeeds", [True, False])
async def test_an_equal_start_reuses_the_run_until_its_end(world: World, succeeds: bool) -> None:
    first = await start(world)
    execution = await claim(world, first.run.id)
    assert (await start(world)).run.id == first.run.id
    if succeeds:
        await execution.finish()
    else:
        await execution.release(timedelta(0))
        assert (await start(world)).run.id == first.run.id
        await abort(world, first.run.id)
    again = await start(world)
    assert again.outcome is StartOutcome.CREATED
    assert again.run.id != first.run.id


@pytest.mark.parametrize("run_type", run_types())
async def test_a_reader_starts_nothing_and_leaves_no_trace(world: World, run_type: str) -> None:
    before = await count_rows(world)
    resource, action = run_type.split(".")
    with pytest.raises(ForbiddenError, match=r"requires (OPERATOR|MANAGER) or above"):
        await world.starter.start(
            await world.access(TenantRole.READONLY),
            resource=resource,
            action=action,
            subject="prod",
            context=CONTEXT,
        )
    assert await count_rows(world) == before


async def test_an_unknown_run_type_cannot_be_started(world: World) -> None:
    before = await count_rows(world)
    with pytest.raises(UserInputError, match="Unknown run type"):
        await world.starter.start(
            await world.access(TenantRole.OWNER),
            resource="tenant",
            action="delete",
            subject="all",
            context={},
        )
    assert await count_rows(world) == before


async def test_a_failure_in_the_middle_rolls_back(world: World) -> None:
    # The event of the next start gets a number that is in use.
    await world.start()
    await world.write(
        "INSERT INTO opsrun.run_event (tenant_id, seq, run_id, version, kind, status,"
        " status_bucket, succeeded, failed, skipped, attempt) SELECT tenant_id, seq + 1, run_id,"
        " 99, kind, status, status_bucket, succeeded, failed, skipped, attempt"
        " FROM opsrun.run_event WHERE tenant_id = :tenant_id"
    )
    before = await count_rows(world)
    with pytest.raises(IntegrityConstraintViolationError):
        await start(world)
    assert await count_rows(world) == before
    await world.write("DELETE FROM opsrun.run_event WHERE tenant_id = :tenant_id AND version = 99")
    assert (await start(world)).outcome is StartOutcome.CREATED
    assert not await ledger_faults(world)


async def test_a_run_that_ends_before_it_is_reused_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await start(world)
    find = transitions.active_with_key

    async def find_too_late(session: TenantSession, run_type: str, key: bytes) -> object:
        monkeypatch.undo()
        await abort(world, first.run.id)
        return await find(session, run_type, key)

    monkeypatch.setattr(transitions, "active_with_key", find_too_late)
    again = await start(world)
    assert again.outcome is StartOutcome.CREATED
    assert again.run.id != first.run.id


async def test_endless_contention_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start(world)

    async def find_nothing(*_: object) -> None:
        return None

    before = await count_rows(world)
    monkeypatch.setattr(transitions, "active_with_key", find_nothing)
    with pytest.raises(StartContentionError):
        await start(world)
    assert await count_rows(world) == before


# Backpressure


def starter_of(
    world: World, *, wakeups: WakeUps | None = None, max_active_runs: int = MAX_ACTIVE_RUNS
) -> RunStarter:
    """Return a starter with these wake-ups and this bound."""
    api = world.resources[Login.API]
    return RunStarter(api.transactions, wakeups or api.wakeups, max_active_runs=max_active_runs)


async def test_a_tenant_at_its_bound_of_active_runs_starts_no_more(
    world: World, tmp_path: Path
) -> None:
    world.starter = starter_of(world, max_active_runs=2)
    first, second = await start(world), await world.start()
    before = await count_rows(world)
    with pytest.raises(UserInputError, match="2 runs are queued or running") as refusal:
        await world.start()
    assert refusal.value.code is UserErrorCode.TOO_MANY_ACTIVE_RUNS
    assert await count_rows(world) == before

    assert (await start(world)).run.id == first.run.id
    neighbour = await World.create(world.resources, tmp_path)
    assert (await neighbour.start()).outcome is StartOutcome.CREATED

    await (await claim(world, second.run.id)).finish()
    assert (await world.start()).outcome is StartOutcome.CREATED
    assert not await ledger_faults(world)


async def test_concurrent_starts_do_not_exceed_the_bound(world: World) -> None:
    world.starter = starter_of(world, max_active_runs=5)
    outcomes = await asyncio.gather(*(world.start() for _ in range(20)), return_exceptions=True)
    started = [outcome for outcome in outcomes if isinstance(outcome, StartedRun)]
    assert len(started) == 5
    assert all(isinstance(each, UserInputError) for each in outcomes if each not in started)
    assert not await ledger_faults(world)


class RecordingWakeUps:
    """Counts the runs that a woken process would see, by the topic of each wake-up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.nudges: list[tuple[str, asyncio.Task[int]]] = []

    def nudge(self, *topics: str) -> None:
        """Begin to count the runs."""
        self.nudges += [(topic, asyncio.create_task(self._runs())) for topic in topics]

    async def _runs(self) -> int:
        (row,) = await self._world.rows(
            "SELECT count(*) AS runs FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        )
        return int(row.runs)

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Waiter]:
        """Refuse, because no test subscribes."""
        raise NotImplementedError(topic)


async def test_a_woken_process_sees_the_run(world: World) -> None:
    wakeups = RecordingWakeUps(world)
    starter = starter_of(world, wakeups=wakeups)
    access = await world.access()
    for _ in range(2):
        await starter.start(
            access, resource="inventory", action="sync", subject="prod", context=CONTEXT
        )
    assert sorted([(topic, await runs) for topic, runs in wakeups.nudges]) == [
        (feed_topic(world.tenant_id), 1),
        (OUTBOX_TOPIC, 1),
    ]
