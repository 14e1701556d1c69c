"""Members read and mark their own notifications, and no others."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

from domain.notifications import repository as notifications_repository
from domain.notifications.models import Notification, NotificationOutcome
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from tests.acts import claim
from tests.world import World


async def page(world: World, access: TenantAccess, limit: int = 100) -> Sequence[Notification]:
    """Return a member's newest notifications."""
    return await world.read(
        notifications_repository.page, access, after=None, unread_only=False, limit=limit
    )


def run_ids(notifications: Sequence[Notification]) -> list[UUID]:
    """Return the runs of the notifications."""
    return [notification.run_id for notification in notifications]


async def test_a_page_holds_the_members_newest_notifications(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.MANAGER)
    own = [(await world.start(role=TenantRole.OPERATOR)).run.id for _ in range(3)]
    others = [(await world.start(role=TenantRole.MANAGER)).run.id for _ in range(2)]
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


async def test_followers_get_the_notifications_between_two_positions_of_the_feed(
    world: World,
) -> None:
    access = await world.access()
    before = await world.cursor(access)
    first = await world.start()
    await world.start(role=TenantRole.OWNER)
    between = await world.cursor(access)
    await (await claim(world, first.run.id)).finish()
    after = await world.cursor(access)

    async def read(seq: int, until_seq: int, limit: int = 100) -> list[NotificationOutcome]:
        notifications = await world.read(
            notifications_repository.after, access, seq=seq, until_seq=until_seq, limit=limit
        )
        return [notification.outcome for notification in notifications]

    queued, succeeded = NotificationOutcome.QUEUED, NotificationOutcome.SUCCEEDED
    assert await read(before.seq, after.seq) == [queued, succeeded]
    assert await read(before.seq, after.seq, limit=1) == [queued]
    assert await read(before.seq, between.seq) == [queued]
    assert await read(between.seq, after.seq) == [succeeded]
    assert await read(after.seq, after.seq + 100) == []


async def test_a_member_marks_a_notification_once_and_only_their_own(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.MANAGER)
    for _ in range(2):
        await world.start(role=TenantRole.OPERATOR)
    await world.start(role=TenantRole.MANAGER)
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


async def test_the_id_of_another_members_notification_is_unknown(world: World) -> None:
    mine, other = await world.access(TenantRole.OPERATOR), await world.access(TenantRole.OWNER)
    await world.start(role=TenantRole.OPERATOR)
    (notification,) = await page(world, mine)
    by_ids = notifications_repository.by_ids
    own = await world.read(by_ids, mine, [notification.id, uuid4()])
    assert own == {notification.id: notification}
    assert await world.read(by_ids, other, [notification.id]) == {}


async def test_a_member_of_two_tenants_reads_the_notifications_of_one_at_a_time(
    world: World,
) -> None:
    neighbour = await World.create(world.resources, world.exports)
    await world.start(role=TenantRole.OPERATOR)
    (notification,) = await page(world, await world.access())
    there = await neighbour.access()
    # The same user in another tenant.
    same = replace(there, user_id=notification.recipient_id)
    assert await page(world, same) == []
    assert await world.read(notifications_repository.by_ids, same, [notification.id]) == {}
    assert await world.cases.notifications.mark_read(same, [notification.id]) == ([], 0)
    assert await world.read(notifications_repository.unread_count, same) == 0
    assert await world.read(notifications_repository.unread_count, await world.access()) == 1
