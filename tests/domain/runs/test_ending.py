"""The initiator of a run gets one notification of its end; the system gets none."""

from collections.abc import Awaitable, Callable

import pytest
from asyncpg import IntegrityConstraintViolationError

from domain.lifecycle import RunStatus
from domain.notifications.models import NotificationOutcome
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.models import SYSTEM_INITIATOR_ID
from domain.tenancy.roles import TenantRole
from tests.acts import take_over
from tests.ledger import count_rows, outcomes, reload
from tests.world import World

BROKEN = ProducerError(FailureReason.INVALID_JSON, "No JSON.")


async def succeed(execution: RunExecution) -> None:
    """Finish without failures."""
    await execution.finish()


async def succeed_in_part(execution: RunExecution) -> None:
    """Finish with one failed item of two."""
    async with execution.batch() as batch:
        batch.succeeded("a")
        batch.failed("b", BROKEN)
    await execution.finish()


async def fail_all(execution: RunExecution) -> None:
    """Finish with failed items only."""
    async with execution.batch() as batch:
        batch.failed("b", BROKEN)
    await execution.finish()


async def fail(execution: RunExecution) -> None:
    """Fail as a whole."""
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
async def test_the_initiator_gets_one_notification_of_the_end_however_often_workers_die(
    world: World,
    end: Callable[[RunExecution], Awaitable[None]],
    outcome: NotificationOutcome,
) -> None:
    execution = await take_over(world, await take_over(world, await world.start_and_claim()))
    await end(execution)
    for role in TenantRole:
        expected = [outcome, NotificationOutcome.QUEUED] if role is TenantRole.OPERATOR else []
        assert await outcomes(world, role) == expected


async def test_an_end_with_a_second_notification_is_rolled_back(world: World) -> None:
    execution = await world.start_and_claim()
    await world.write(
        "INSERT INTO opsrun.notification (tenant_id, id, recipient_id, run_id, seq, outcome)"
        " SELECT tenant_id, gen_random_uuid(), initiator_id, id, 99, 'SUCCEEDED'"
        " FROM opsrun.operation_run WHERE tenant_id = :tenant_id AND id = :id",
        id=execution.run.id,
    )
    before = await count_rows(world)
    with pytest.raises(IntegrityConstraintViolationError):
        await execution.finish()
    assert await count_rows(world) == before
    assert (await reload(world, execution.run.id)).status is RunStatus.RUNNING


async def test_a_run_of_the_system_notifies_no_one(world: World) -> None:
    execution = await world.start_and_claim()
    await world.write(
        "UPDATE opsrun.operation_run SET initiator_id = :system WHERE id = :id",
        id=execution.run.id,
        system=SYSTEM_INITIATOR_ID,
    )
    before = (await count_rows(world))["notification"]
    await execution.finish()
    assert (await reload(world, execution.run.id)).is_terminal
    assert (await count_rows(world))["notification"] == before
