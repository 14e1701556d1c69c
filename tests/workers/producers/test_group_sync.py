"""After each sync, the stored groups are those of Graph, whatever happened on the way."""

import logging
import os
import random
from collections.abc import AsyncIterator

import pytest

from domain.errors import UserErrorCode, UserInputError
from domain.groups.repository import changing
from domain.inventory.maintenance import GROUPS_BATCH
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.failures import FailureReason
from domain.runs.models import RunCounts, StartOutcome
from domain.tenancy.administration import save_tenant
from domain.tenancy.providers import DirectorySettings
from opsrun.postgres.engines import Login
from opsrun.testing.killed_worker import DyingExecution
from tests.acts import claim, complete, inventory_maintenance, lose_worker
from tests.graph import Double, graph_double
from tests.graph.faults import error
from tests.graph.groups import Group, Member
from tests.graph.histories import History, new_groups
from tests.groups import (
    groups_of_double,
    start_group_sync,
    stored_groups,
    sync_groups,
)
from tests.ledger import failures, ledger_faults, only_failure, reload, skipped
from tests.workers.providers.graph.tenants import graph_as_provider, read_from_graph
from tests.world import World
from workers.producers.group_sync import GroupSync

# All 500: GROUP_HISTORIES=500 pytest tests/workers/producers/test_group_sync.py
HISTORIES = int(os.environ.get("GROUP_HISTORIES", "40"))
DELTA = "/groups/delta"
CROWD = [Member(f"user-{number:02}") for number in range(12)]


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[Double]:
    async with graph_double(group_page=5, member_page=6) as double, graph_as_provider(double):
        yield double


@pytest.fixture
async def tenant(world: World, double: Double) -> World:
    """A tenant whose provider is the double, which has no groups."""
    double.groups.by_id.clear()
    await read_from_graph(world, double)
    return world


class KilledError(BaseException):
    """The worker is gone."""


def die() -> None:
    raise KilledError


async def kill(world: World, run_id: object, batch: int) -> bool:
    """Make an attempt whose worker dies before its n-th commit; return False if it has fewer."""
    execution = await claim(world, run_id)  # type: ignore[arg-type]
    try:
        await GroupSync().run(DyingExecution(execution, batch, die))
    except KilledError:
        await lose_worker(world, execution.run.id)
        return True
    await execution.finish()
    return False


async def follow(world: World, double: Double, seed: int) -> None:
    """Change groups by chance and sync, with faults by chance, from whatever state is stored."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    double.groups.by_id.clear()
    double.deltas.seed = seed
    history = History(double.groups, seed, crowd=20)
    history.step(10)
    for number in range(6):
        history.step(chance.randint(1, 12))
        if chance.random() < 0.2:
            double.deltas.expire(chance.choice([400, 410]))
        if chance.random() < 0.2:
            fault = chance.choice([error(410, "resyncRequired"), error(400, "syncStateNotFound")])
            double.faults.add(DELTA, fault, after=chance.randint(0, 3), times=1)
        # The first sync finds the groups of the history before.
        started = await start_group_sync(world, full=not number or chance.random() < 0.2)
        for _ in range(chance.choice([0, 0, 1, 2])):
            if not await kill(world, started.run.id, chance.randint(1, 5)):
                break
            if chance.random() < 0.3:
                history.step(3)
            if chance.random() < 0.2:
                double.deltas.expire(chance.choice([400, 410]))
        run = await complete(world, started)
        assert run.status is RunStatus.COMPLETED, await failures(world, run)
        assert run.counts.total == run.counts.processed
        if run.attempt > 1:
            # What changed after the reading began comes with the next sync.
            await sync_groups(world)
        assert await stored_groups(world) == groups_of_double(double)
        double.faults.clear()


@pytest.mark.parametrize("part", range(20))
async def test_a_random_history_is_followed(tenant: World, double: Double, part: int) -> None:
    for seed in range(part, HISTORIES, 20):
        try:
            await follow(tenant, double, seed)
        except BaseException as failure:
            failure.add_note(f"This is the history of seed {seed}.")
            raise
    assert await ledger_faults(tenant) == []


async def test_each_named_group_is_an_item(tenant: World, double: Double) -> None:
    kept, renamed, gone = [double.groups.put(name, CROWD[:3]) for name in ("a", "b", "c")]
    first = await sync_groups(tenant)
    assert first.status_bucket is StatusBucket.SUCCEEDED
    assert first.counts == RunCounts(total=3, succeeded=3, failed=0, skipped=0)
    double.groups.rename(renamed, "new")
    double.groups.delete(gone)
    never = double.groups.put("d")
    double.groups.delete(never, forever=True)
    second = await sync_groups(tenant)
    assert second.counts == RunCounts(total=2, succeeded=2, failed=0, skipped=0)
    assert set(await stored_groups(tenant)) == {kept, renamed}
    double.groups.delete(gone, forever=True)
    third = await sync_groups(tenant)
    assert third.counts == RunCounts(total=1, succeeded=0, failed=0, skipped=1)
    assert await skipped(tenant, third) == {gone: "The group was removed before a sync stored it."}
    fourth = await sync_groups(tenant)
    assert fourth.counts == RunCounts(total=0, succeeded=0, failed=0, skipped=0)
    assert await ledger_faults(tenant) == []


async def test_a_restored_group_has_its_members_again(tenant: World, double: Double) -> None:
    group = double.groups.put("a", CROWD)
    await sync_groups(tenant)
    double.groups.delete(group)
    await sync_groups(tenant)
    assert await stored_groups(tenant) == {}
    double.groups.restore(group)
    await sync_groups(tenant)
    assert await stored_groups(tenant) == groups_of_double(double)


@pytest.mark.parametrize("status", [410, 400])
async def test_readers_never_see_fewer_groups_during_a_full_sync(
    tenant: World, double: Double, status: int
) -> None:
    new_groups(double.groups, 20)
    await sync_groups(tenant)
    gone = next(iter(double.groups.by_id))
    del double.groups.by_id[gone]
    double.deltas.expire(status)
    before = await stored_groups(tenant)
    started = await start_group_sync(tenant)
    for batch in (1, 3):
        assert await kill(tenant, started.run.id, batch)
        assert await stored_groups(tenant) == before
    run = await complete(tenant, started)
    assert (run.status_bucket, run.attempt) == (StatusBucket.SUCCEEDED, 3)
    assert await stored_groups(tenant) == groups_of_double(double)
    assert set(before) - set(await stored_groups(tenant)) == {gone}


async def test_a_later_attempt_goes_on_at_the_page_of_a_killed_one(
    tenant: World, double: Double
) -> None:
    new_groups(double.groups, 20)
    started = await start_group_sync(tenant)
    assert await kill(tenant, started.run.id, 4)
    some = await stored_groups(tenant)
    assert some
    read = len(double.requests)
    run = await complete(tenant, started)
    assert run.attempt == 2
    assert run.counts.total == run.counts.succeeded == len(double.groups.present())
    assert await stored_groups(tenant) == groups_of_double(double)
    whole = len(double.requests) - read
    read = len(double.requests)
    await sync_groups(tenant, full=True)
    # The killed attempt stored two pages, after it had begun.
    assert whole < len(double.requests) - read


async def test_another_entra_tenant_is_read_from_its_beginning(
    tenant: World, double: Double
) -> None:
    new_groups(double.groups, 30)
    await sync_groups(tenant)
    async with graph_double(group_page=10) as other:
        other.groups.put("The only one")
        async with graph_as_provider(other):
            await read_from_graph(tenant, other)
            await sync_groups(tenant)
            assert await stored_groups(tenant) == groups_of_double(other)
            # The next one goes on at its position.
            other.requests.clear()
            await sync_groups(tenant)
            assert len(other.requests) == 1


async def test_a_provider_that_forgets_every_position_fails_the_run(
    tenant: World, double: Double
) -> None:
    double.groups.put("a")
    double.faults.add(DELTA, error(410, "resyncRequired"), times=None)
    run = await sync_groups(tenant)
    double.faults.clear()
    assert run.status is RunStatus.FAILED
    failure = await only_failure(tenant, run)
    assert failure.reason == FailureReason.PROVIDER_UNAVAILABLE
    assert "again and again" in failure.message


async def test_a_group_that_cannot_be_stored_fails_alone_and_is_read_again(
    tenant: World, double: Double
) -> None:
    good, bad = double.groups.put("good", CROWD[:1]), double.groups.put("bad", CROWD[:2])
    await sync_groups(tenant)
    before = await stored_groups(tenant)
    double.groups.rename(bad, "x" * 501)
    for full in (False, True):
        run = await sync_groups(tenant, full=full)
        assert (await failures(tenant, run))[bad].reason == "INVALID_GROUP"
        # The group stays as it was, also after a full sync.
        assert await stored_groups(tenant) == before
    double.groups.by_id[bad] = Group(bad, "better", frozenset(CROWD[:2]))
    run = await sync_groups(tenant)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    # All groups were read, because changes may have been lost.
    assert run.counts.succeeded == 2
    assert (await stored_groups(tenant))[bad][0] == "better"
    assert good in before


async def test_an_active_sync_is_reused_whether_it_is_full_or_not(
    tenant: World, double: Double
) -> None:
    for active in (False, True):
        first = await start_group_sync(tenant, full=active)
        assert first.run.context == ({"full": True} if active else {})
        for full in (False, True):
            again = await start_group_sync(tenant, full=full)
            assert (again.outcome, again.run.id) == (StartOutcome.REUSED_ACTIVE, first.run.id)
        await tenant.work(first)


async def test_two_syncs_at_the_same_time_store_each_page_once(
    tenant: World, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two starts at the same moment may both find no active sync."""

    async def find_none(*_: object) -> None:
        return None

    monkeypatch.setattr("domain.groups.run_type.active_context", find_none)
    new_groups(double.groups, 15)
    first = await claim(tenant, (await start_group_sync(tenant)).run.id)
    second = await claim(tenant, (await start_group_sync(tenant, full=True)).run.id)
    with pytest.raises(KilledError):
        await GroupSync().run(DyingExecution(first, 3, die))
    await GroupSync().run(second)
    assert (await second.finish()).status is RunStatus.COMPLETED
    await lose_worker(tenant, first.run.id)
    await tenant.runner.execute("group.sync", tenant.tenant_id, first.run.id)
    assert (await reload(tenant, first.run.id)).status is RunStatus.COMPLETED
    assert await stored_groups(tenant) == groups_of_double(double)


async def test_a_page_is_not_stored_after_another_sync_moved_on(
    tenant: World, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_groups(double.groups, 15)
    started = await start_group_sync(tenant)
    move = changing.move
    lost: list[str | None] = []

    async def be_late(session: object, position: object, *rest: object, **more: object) -> bool:
        if not lost and position.path is not None:  # type: ignore[attr-defined]
            lost.append(position.path)  # type: ignore[attr-defined]
            await changing.begin(session, started.run.id, position, "test")  # type: ignore[arg-type]
        return await move(session, position, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(changing, "move", be_late)
    run = await complete(tenant, started)
    assert lost
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert await stored_groups(tenant) == groups_of_double(double)


async def test_a_tenant_without_graph_cannot_start(world: World) -> None:
    with pytest.raises(UserInputError, match="--graph-tenant") as caught:
        await start_group_sync(world)
    assert caught.value.code is UserErrorCode.GRAPH_REQUIRED


async def test_a_tenant_that_lost_graph_while_the_run_was_queued_fails(
    tenant: World, double: Double
) -> None:
    started = await start_group_sync(tenant)
    maintenance = tenant.resources[Login.MAINTENANCE].transactions
    await save_tenant(maintenance, tenant.slug, "Tenant", DirectorySettings(str(tenant.exports)))
    run = await complete(tenant, started)
    failure = await only_failure(tenant, run)
    assert failure.reason == FailureReason.PROVIDER_NOT_CONFIGURED


async def test_maintenance_deletes_what_was_removed(tenant: World, double: Double) -> None:
    kept, gone = double.groups.put("a", CROWD), double.groups.put("b", CROWD)
    await sync_groups(tenant)
    double.groups.remove_members(kept, CROWD[:2])
    double.groups.delete(gone)
    await sync_groups(tenant)
    maintenance = inventory_maintenance(tenant)
    assert await maintenance.purge_groups(tenant.tenant_id) == 1 + 12 + 2 < GROUPS_BATCH
    assert await maintenance.purge_groups(tenant.tenant_id) == 0
    assert await stored_groups(tenant) == groups_of_double(double)
    rows = await tenant.rows(
        "SELECT count(*) FROM opsrun.group_member WHERE tenant_id = :tenant_id"
    )
    assert [tuple(row) for row in rows] == [(10,)]


async def test_no_link_of_graph_is_in_logs_rows_or_failures(
    tenant: World,
    double: Double,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    for name in ("httpx", "httpcore", "msal", "uvicorn"):
        # As `configure_logging` sets them; the last one is the double's.
        caplog.set_level(logging.WARNING, name)
    new_groups(double.groups, 10)
    started = await start_group_sync(tenant)
    await kill(tenant, started.run.id, 3)
    async with tenant.resources[Login.WORKER].transactions.tenant(tenant.tenant_id) as session:
        position = await changing.position(session)
    assert position is not None
    assert position.path is not None
    token = position.path.partition("=")[2]
    double.faults.add(DELTA, error(403, "Authorization_RequestDenied"), times=None)
    run = await complete(tenant, started)
    double.faults.clear()
    failure = await only_failure(tenant, run)
    assert failure.reason == FailureReason.PROVIDER_UNAUTHORIZED
    (row,) = await tenant.rows(
        "SELECT row_to_json(r)::text || (SELECT string_agg(row_to_json(e)::text, '') FROM"
        " opsrun.run_event e WHERE e.run_id = r.id) AS everything FROM opsrun.operation_run r"
        " WHERE tenant_id = :tenant_id AND run_type = 'group.sync'"
    )
    for text in (failure.message, row.everything, *(r.getMessage() for r in caplog.records)):
        assert token not in text
