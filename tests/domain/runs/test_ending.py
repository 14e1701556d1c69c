"""Whoever started a run is told once how it ended; the system needs no telling."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.exc import IntegrityError

from domain.notifications import repository as notifications_repository
from domain.notifications.models import NotificationOutcome
from domain.runs.ending import announce_end
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.domain.ledger import count_rows
from tests.domain.runs.keeper import Keeper
from tests.world import World

BROKEN = ProducerError(FailureReason.INVALID_JSON, "No JSON.")


async def succeed(execution: RunExecution) -> None:
    """Reach the end without a fault."""
    await execution.finish()


async def succeed_in_part(execution: RunExecution) -> None:
    """Reach the end with a fault on the way."""
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("b", BROKEN)
    await execution.finish()


async def fail_all(execution: RunExecution) -> None:
    """Reach the end with nothing but faults."""
    async with execution.batch() as batch:
        batch.failed("b", BROKEN)
    await execution.finish()


async def fail(execution: RunExecution) -> None:
    """Break down."""
    await execution.fail(BROKEN.reason, BROKEN.message)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (succeed, NotificationOutcome.SUCCEEDED),
        (succeed_in_part, NotificationOutcome.PARTIALLY_SUCCEEDED),
        (fail_all, NotificationOutcome.FAILED),
        (fail, NotificationOutcome.FAILED),
    ],
)
async def test_the_initiator_is_told_how_it_ended_however_often_a_worker_died(
    world: World,
    keeper: Keeper,
    end: Callable[[RunExecution], Awaitable[None]],
    outcome: NotificationOutcome,
) -> None:
    execution = await keeper.take_over(await keeper.take_over(await world.claimed()))
    await end(execution)
    for role in TenantRole:
        told = await world.read(
            notifications_repository.page,
            await world.access(role),
            after=None,
            unread_only=False,
            limit=10,
        )
        expected = [outcome, NotificationOutcome.QUEUED] if role is TenantRole.OPERATOR else []
        assert [notification.outcome for notification in told] == expected
        assert {notification.run_id for notification in told} <= {execution.run.id}


async def test_a_second_word_about_the_same_end_is_refused_whole(world: World) -> None:
    execution = await world.claimed()
    await execution.finish()
    before = await count_rows(world)
    with pytest.raises(IntegrityError):
        async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
            await announce_end(session, execution.run.id)
    assert await count_rows(world) == before


async def test_nobody_is_told_about_a_run_of_the_system(world: World, keeper: Keeper) -> None:
    execution = await world.claimed()
    await world.write(
        "UPDATE opsrun.operation_run SET initiator_id = :system WHERE id = :id",
        id=execution.run.id,
        system=SYSTEM_INITIATOR_ID,
    )
    before = (await count_rows(world))["notification"]
    await execution.finish()
    assert (await keeper.run(execution.run.id)).is_terminal
    assert (await count_rows(world))["notification"] == before
