"""Reads that a hot standby answers are never older than the primary, and stay in their tenant."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from domain.notifications.repository import unread_count
from domain.runs.execution import RunExecution
from domain.runs.failures import ProducerError
from domain.runs.models import COLUMNS, OperationRun, RunEvent, RunFilter
from domain.runs.repository import reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.tenancy import replica
from domain.tenancy.models import TenantAccess
from domain.tenancy.replica import Outcome, ReplicaReads, replicated
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import ReplicaRead, TenantSession
from domain.tenancy.transactions import Transactions
from opsrun.postgres.engines import Login, open_engine
from tests.acts import age, claim, inventory_maintenance, lose_worker, relay, until
from tests.domain.filling import fill
from tests.standby import Pair
from tests.world import LEASE, World

ALL = RunFilter(datetime(2020, 1, 1, tzinfo=UTC))
PAGE = Keyset(100)


@pytest.fixture(scope="session")
async def filled(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tenant of the pair with rows in every table; tests change nothing in it."""
    world = await World.create(pair.resources, tmp_path_factory.mktemp("exports"))
    await fill(world)
    return world


@pytest.fixture
async def reads(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ReplicaReads]:
    """Reads of the standby, connected."""
    monkeypatch.setattr(replica, "PATIENCE", 0.5)
    url = pair.standby.url_like(pair.resources[Login.API].engine.url)

    @asynccontextmanager
    async def connect() -> AsyncIterator[Transactions]:
        async with open_engine(url, statement_timeout_seconds=10) as engine:
            yield Transactions(engine)

    async with ReplicaReads(pair.resources[Login.API].transactions, connect).connected() as opened:
        yield opened


async def answered(reads: ReplicaReads, world: World) -> None:
    """Wait until the replica answers a read of the tenant, then forget the outcomes."""
    access = await world.access()

    async def is_answered() -> bool:
        await reads.read(reading.page, access, ALL, PAGE)
        return reads.outcomes[Outcome.ANSWERED] > 0

    await until(is_answered)
    reads.outcomes.clear()


def plain(value: Any) -> Any:
    """Return an answer without the time of the read."""
    if isinstance(value, OperationRun):
        return {name: value.row[name] for name in COLUMNS - {"observed_at"}}
    if isinstance(value, RunEvent):
        return replace(value, run=plain(value.run))
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, Sequence) else value


async def all_reads(reads: Transactions | ReplicaReads, access: TenantAccess) -> list[Any]:
    """Return what each replicated query answers about the tenant's runs."""
    runs = await reads.read(reading.page, access, ALL, PAGE)
    ids = [run.id for run in runs]
    return [
        plain(runs),
        plain(await reads.read(reading.by_ids, access, ids)),
        plain(await reads.read(reading.events, access, ids, after=None, limit=100)),
        await reads.read(reading.skipped, access, ids, after=None, limit=100),
        await reads.read(reading.failures, access, ids, after=None, reasons=frozenset(), limit=100),
        await reads.read(reading.failure_groups, access, ids),
        await reads.read(facets, access, ALL),
    ]


async def test_the_replica_answers_like_the_primary(
    pair: Pair, filled: World, reads: ReplicaReads
) -> None:
    await answered(reads, filled)
    access = await filled.access()
    assert await all_reads(reads, access) == await all_reads(filled.cases.transactions, access)
    assert reads.outcomes == {Outcome.ANSWERED: 7}
    assert await reads.read(reading.by_ids, access, []) == {}
    assert reads.outcomes == {Outcome.ANSWERED: 8}


async def test_queries_that_do_not_depend_on_runs_alone_stay_on_the_primary(
    filled: World, reads: ReplicaReads
) -> None:
    await answered(reads, filled)
    assert await reads.read(unread_count, await filled.access()) > 0
    assert reads.outcomes == {}


async def test_a_member_of_another_tenant_sees_nothing_on_the_replica(
    pair: Pair, filled: World, paired: World, reads: ReplicaReads
) -> None:
    await paired.start()
    await answered(reads, paired)
    ids = [run.id for run in await filled.read(reading.page, await filled.access(), ALL, PAGE)]
    stranger = await paired.access()
    assert await reads.read(reading.by_ids, stranger, ids) == {}
    assert await reads.read(reading.events, stranger, ids, after=None, limit=100) == {}
    assert len(await reads.read(reading.page, stranger, ALL, PAGE)) == 1
    assert reads.outcomes == {Outcome.ANSWERED: 3}


async def test_row_level_security_is_in_force_on_the_replica(
    pair: Pair, filled: World, paired: World, reads: ReplicaReads
) -> None:
    await answered(reads, filled)

    @replicated
    async def every_tenant(session: TenantSession) -> set[Any]:
        return set(await session.scalars(text("SELECT tenant_id FROM opsrun.operation_run")))

    assert await reads.read(every_tenant, await filled.access()) == {filled.tenant_id}
    assert reads.outcomes == {Outcome.ANSWERED: 1}


async def test_a_replica_that_is_behind_answers_only_what_has_not_changed(
    pair: Pair, paired: World, reads: ReplicaReads
) -> None:
    access = await paired.access()
    runs = [(await paired.start()).run.id for _ in range(2)]
    executions: list[RunExecution] = []
    await answered(reads, paired)

    async def after(change: Awaitable[object]) -> Outcome:
        """Make the change while the replica is held back; return the outcome of all reads."""
        async with pair.standby.behind():
            await change
            reads.outcomes.clear()
            answers = await all_reads(reads, access)
            assert answers == await all_reads(paired.cases.transactions, access)
        (outcome,) = reads.outcomes
        return outcome

    async def take(run_id: UUID) -> None:
        executions.append(await claim(paired, run_id))

    async def record_items() -> None:
        async with executions[-1].batch() as batch:
            batch.succeeded("a")
            batch.skipped("b", "It is empty.")
            batch.failed("c", ProducerError("MALFORMED_ITEM", "Not JSON."))

    async def purge(run_id: UUID) -> None:
        # No use case changes this time.
        await age(paired, run_id, days=400)
        assert await inventory_maintenance(paired).purge_runs(paired.tenant_id) == 1

    first, second = runs
    assert await after(relay(paired)) is Outcome.ANSWERED
    assert await after(take(first)) is Outcome.OTHER_VERSION
    assert await after(executions[-1].heartbeat(LEASE)) is Outcome.ANSWERED
    assert await after(executions[-1].set_total(5)) is Outcome.OTHER_VERSION
    assert await after(record_items()) is Outcome.OTHER_VERSION
    assert await after(record_items()) is Outcome.ANSWERED
    assert await after(executions[-1].release(timedelta(0))) is Outcome.OTHER_VERSION
    assert await after(paired.claimer.give_back(paired.tenant_id, first)) is Outcome.ANSWERED
    assert await after(take(first)) is Outcome.OTHER_VERSION
    assert await after(lose_worker(paired, first)) is Outcome.OTHER_VERSION
    for run_id in runs:
        assert await after(take(run_id)) is Outcome.OTHER_VERSION
        assert await after(executions[-1].finish()) is Outcome.OTHER_VERSION
    manager = await paired.access(TenantRole.OWNER)
    assert await after(paired.cases.tenancy.set_retention(manager, 7)) is Outcome.OTHER_VERSION
    # The second purge does not raise the feed's `min_seq`, but must not go unnoticed.
    assert await after(purge(second)) is Outcome.OTHER_VERSION
    assert await after(purge(first)) is Outcome.OTHER_VERSION
    assert await reads.read(reading.page, access, ALL, PAGE) == []


async def test_a_server_that_left_the_primarys_history_answers_nothing(
    paired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promoted server: here the primary itself, which has every version."""
    transactions = paired.resources[Login.API].transactions

    @asynccontextmanager
    async def connect() -> AsyncIterator[Transactions]:
        yield transactions

    run = (await paired.start()).run
    async with ReplicaReads(transactions, connect).connected() as reads:
        await asyncio.sleep(0)
        answer = await reads.read(reading.by_ids, await paired.access(), [run.id])
        await reads.read(reading.by_ids, await paired.access(), [run.id])
    assert [*answer] == [run.id]
    assert reads.outcomes == {Outcome.FAILED: 1, Outcome.AWAY: 1}


async def test_a_slow_query_does_not_take_the_replica_from_other_reads(
    filled: World, reads: ReplicaReads, caplog: pytest.LogCaptureFixture
) -> None:
    await answered(reads, filled)

    @replicated
    async def slow(session: TenantSession) -> bool:
        if isinstance(session, ReplicaRead):
            await session.rows(text("SELECT pg_sleep(20) FROM opsrun.operation_run"))
        return True

    access = await filled.access()
    assert await reads.read(slow, access)
    await reads.read(reading.page, access, ALL, PAGE)
    assert reads.outcomes == {Outcome.FAILED: 1, Outcome.ANSWERED: 1}
    assert not caplog.messages


async def test_the_primary_answers_what_the_replica_cannot(
    filled: World, reads: ReplicaReads, caplog: pytest.LogCaptureFixture
) -> None:
    """For example while a migration has not reached the replica."""
    await answered(reads, filled)

    @replicated
    async def not_migrated(session: TenantSession) -> bool:
        if isinstance(session, ReplicaRead):
            await session.rows(text("SELECT no_such_column FROM opsrun.operation_run"))
        return True

    access = await filled.access()
    assert await reads.read(not_migrated, access)
    await reads.read(reading.page, access, ALL, PAGE)
    assert reads.outcomes == {Outcome.FAILED: 1, Outcome.ANSWERED: 1}
    assert not caplog.messages


async def test_a_read_that_stands_in_the_way_of_replay_moves_to_the_primary(
    pair: Pair,
    filled: World,
    reads: ReplicaReads,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(replica, "PATIENCE", 20)
    await answered(reads, filled)

    @replicated
    async def lengthy(session: TenantSession) -> bool:
        if isinstance(session, ReplicaRead):
            await session.rows(text("SELECT pg_sleep(20) FROM opsrun.operation_run"))
        return True

    access = await filled.access()
    async with pair.standby.impatient():
        lengthy_read = asyncio.create_task(reads.read(lengthy, access))
        await pair.standby.reach(
            "EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
        )
        async with pair.standby.locked():
            assert await lengthy_read
        await pair.standby.catch_up()
        await reads.read(reading.page, access, ALL, PAGE)
    assert reads.outcomes == {Outcome.FAILED: 1, Outcome.ANSWERED: 1}
    assert not caplog.messages


async def test_a_hanging_replica_delays_only_the_reads_that_it_has(
    pair: Pair, filled: World, reads: ReplicaReads, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "domain.tenancy.replica")
    await answered(reads, filled)
    access = await filled.access()
    async with pair.standby.hanging():
        for outcome in (Outcome.FAILED, Outcome.AWAY):
            assert await reads.read(reading.page, access, ALL, PAGE)
            assert [*reads.outcomes] == [outcome]
            reads.outcomes.clear()
    await answered(reads, filled)
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "Cannot read from the replica",
        "The replica answers again",
    ]
