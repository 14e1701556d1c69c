"""Everybody reads and marks their own notifications, and nobody else's."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from domain.notifications import repository as notifications_repository
from domain.notifications.models import Notification, NotificationOutcome
from domain.runs.models import StartedRun
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from tests.world import LEASE, World


async def start(world: World, role: TenantRole) -> StartedRun:
    """Start a run as this member; they are told that it is queued."""
    scope = uuid4().hex
    return await world.starter.start(
        await world.access(role),
        resource="inventory",
        action="sync",
        subject=scope,
        context={"scopeKey": scope},
    )


async def page(world: World, access: TenantAccess, limit: int = 100) -> Sequence[Notification]:
    """Return the newest of a member's notifications."""
    return await world.read(
        notifications_repository.page, access, after=None, unread_only=False, limit=limit
    )


def run_ids(notifications: Sequence[Notification]) -> list[UUID]:
    """Return what runs they are about."""
    return [notification.run_id for notification in notifications]


async def test_a_page_holds_the_newest_of_ones_own(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.MANAGER)
    own = [(await start(world, TenantRole.OPERATOR)).run.id for _ in range(3)]
    others = [(await start(world, TenantRole.MANAGER)).run.id for _ in range(2)]
    assert run_ids(await page(world, mine)) == own[::-1]
    assert run_ids(await page(world, other)) == others[::-1]
    assert await page(world, await world.access(TenantRole.OWNER)) == []

    newest = await page(world, mine, 2)
    assert run_ids(newest) == own[:0:-1]
    rest = await world.read(
        notifications_repository.page, mine, after=newest[-1].seq, unread_only=False, limit=2
    )
    assert run_ids(rest) == own[:1]
    assert rest[0].outcome is NotificationOutcome.QUEUED
    assert rest[0].recipient_id == mine.user_id
    assert rest[0].read_at is None


async def test_followers_get_what_came_between_two_places_of_the_feed(world: World) -> None:
    access = await world.access()
    before = await world.cursor(access)
    first = await world.start()
    await start(world, TenantRole.OWNER)
    between = await world.cursor(access)
    execution = await world.claimer.claim(world.tenant_id, first.run.id, LEASE)
    assert execution is not None
    await execution.finish()
    after = await world.cursor(access)

    async def told(seq: int, until_seq: int, limit: int = 100) -> list[NotificationOutcome]:
        found = await world.read(
            notifications_repository.after, access, seq=seq, until_seq=until_seq, limit=limit
        )
        return [notification.outcome for notification in found]

    queued, succeeded = NotificationOutcome.QUEUED, NotificationOutcome.SUCCEEDED
    assert await told(before.seq, after.seq) == [queued, succeeded]
    assert await told(before.seq, after.seq, limit=1) == [queued]
    assert await told(before.seq, between.seq) == [queued]
    assert await told(between.seq, after.seq) == [succeeded]
    assert await told(after.seq, after.seq + 100) == []


async def test_reading_counts_once_and_only_for_oneself(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.MANAGER)
    for _ in range(2):
        await start(world, TenantRole.OPERATOR)
    await start(world, TenantRole.MANAGER)
    notifications = world.cases.notifications
    (first, second), (theirs,) = await page(world, mine), await page(world, other)

    marked, unread = await notifications.mark_read(mine, [first.id, theirs.id, uuid4()])
    assert [notification.id for notification in marked] == [first.id]
    assert marked[0].read_at is not None
    assert unread == 1
    assert await world.read(notifications_repository.unread_count, other) == 1
    left = await world.read(
        notifications_repository.page, mine, after=None, unread_only=True, limit=100
    )
    assert [notification.id for notification in left] == [second.id]
    assert (await page(world, other))[0].read_at is None

    (again,), _ = await notifications.mark_read(mine, [first.id])
    assert again.read_at == marked[0].read_at


async def test_ids_of_others_lead_nowhere(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.OWNER)
    await start(world, TenantRole.OPERATOR)
    (notification,) = await page(world, mine)
    by_ids = notifications_repository.by_ids
    own = await world.read(by_ids, mine, [notification.id, uuid4()])
    assert own == {notification.id: notification}
    assert await world.read(by_ids, other, [notification.id]) == {}


async def test_a_member_of_two_tenants_keeps_them_apart(world: World) -> None:
    neighbour = await World.create(world.resources, world.exports)
    await start(world, TenantRole.OPERATOR)
    (notification,) = await page(world, await world.access())
    there = await neighbour.access()
    # The same person, as another tenant knows them.
    same = replace(there, user_id=notification.recipient_id)
    assert await page(world, same) == []
    assert await world.read(notifications_repository.by_ids, same, [notification.id]) == {}
    assert await world.cases.notifications.mark_read(same, [notification.id]) == ([], 0)
    assert await world.read(notifications_repository.unread_count, same) == 0
    assert await world.read(notifications_repository.unread_count, await world.access()) == 1
