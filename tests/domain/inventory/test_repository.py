"""Documents are kept while something refers to them, even if syncs and collections race."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.inventory.content import content_hash, document_hash, normalize, stored_form
from domain.inventory.models import PolicyRecord
from domain.inventory.repository import policies, retention
from domain.runs.execution import RunExecution
from domain.runs.repository import reading
from domain.tenancy.session import Driver, TenantSession
from opsrun.postgres.engines import Login
from tests.acts import age, inventory_maintenance, policy, sync, until
from tests.world import World

DAY = timedelta(days=1)


def record(policy_id: str, **settings: Any) -> PolicyRecord:
    body = policy(policy_id, **settings)
    return PolicyRecord(
        key=f"{policy_id}.json",
        policy_id=policy_id,
        name=body["displayName"],
        policy_type="windows10CompliancePolicy",
        hashes=content_hash(normalize(body)) + document_hash(body),
    )


async def store_documents(session: TenantSession, *policy_ids: str) -> None:
    forms = [stored_form(policy(policy_id)) for policy_id in policy_ids]
    await policies.store_documents(session, dict(forms))


async def store(execution: RunExecution, *records: PolicyRecord) -> frozenset[str]:
    async with execution.batch() as batch:
        await store_documents(batch.session, *(one.policy_id for one in records))
        return await policies.store(batch.session, execution.run.id, records)


async def collect(world: World, limit: int = 100) -> int:
    async with world.resources[Login.MAINTENANCE].transactions.tenant(world.tenant_id) as session:
        return await retention.collect_documents(session, unused_for=DAY, limit=limit)


async def documents(world: World) -> list[str]:
    rows = await world.rows(
        "SELECT body ->> 'id' AS id FROM opsrun.policy_document"
        " WHERE tenant_id = :tenant_id ORDER BY 1"
    )
    return [row.id for row in rows]


async def delete_syncs(world: World, *, days: int = 2) -> None:
    """Delete the tenant's syncs, and make its documents this many days old."""
    await world.write("DELETE FROM opsrun.operation_run WHERE tenant_id = :tenant_id")
    await store_earlier(world, days)


async def store_earlier(world: World, days: int) -> None:
    """Make the tenant's documents this many days older."""
    await world.write(
        "UPDATE opsrun.policy_document SET stored_at = stored_at - make_interval(days => :days)"
        " WHERE tenant_id = :tenant_id",
        days=days,
    )


class Interrupted:
    """A driver that calls `interruption` before one of its statements."""

    def __init__(
        self,
        driver: Driver,
        statement: int | None,
        interruption: Callable[[], Awaitable[None]],
    ) -> None:
        self._driver = driver
        self._statement = statement
        self._interruption = interruption
        self._statements = 0

    async def fetch(self, text: str, *arguments: Any, **options: Any) -> Any:
        await self._count()
        return await self._driver.fetch(text, *arguments, **options)

    async def execute(self, text: str, *arguments: Any) -> Any:
        await self._count()
        return await self._driver.execute(text, *arguments)

    async def _count(self) -> None:
        self._statements += 1
        if self._statements == self._statement:
            await self._interruption()


class TestStoring:
    async def test_returns_the_new_documents(self, world: World) -> None:
        execution = await world.start_and_claim()
        assert await store(execution, record("a"), record("b")) == {"a", "b"}
        assert await store(execution, record("b"), record("c")) == {"c"}
        assert await store(execution) == frozenset()

    async def test_syncs_that_share_documents_never_block_each_other(self, world: World) -> None:
        records = [record(f"p{number}") for number in range(400)]
        executions = [await world.start_and_claim() for _ in range(4)]
        stored = await asyncio.gather(
            *(
                store(execution, *records[:: (-1) ** number])
                for number, execution in enumerate(executions)
            )
        )
        assert [len(ids) for ids in stored] == [400] * 4
        assert len(await documents(world)) == 400


class TestCollecting:
    async def test_deletes_documents_without_a_reference(self, world: World) -> None:
        await sync(world, policy("old"))
        await delete_syncs(world)
        await sync(world, policy("new"))
        await store_earlier(world, days=2)
        assert await collect(world) == 1
        assert await documents(world) == ["new"]

    async def test_keeps_recent_documents(self, world: World) -> None:
        await sync(world, policy("a"))
        await delete_syncs(world, days=0)
        assert await collect(world) == 0
        assert await documents(world) == ["a"]

    async def test_works_in_batches(self, world: World) -> None:
        await sync(world, *(policy(key) for key in "abc"))
        await delete_syncs(world)
        assert [await collect(world, limit=2) for _ in range(3)] == [2, 1, 0]

    async def test_leaves_other_tenants_alone(self, world: World) -> None:
        other = await World.create(world.resources, world.exports)
        await sync(other, policy("theirs"))
        await delete_syncs(other)
        assert await collect(world) == 0
        assert await documents(other) == ["theirs"]

    @pytest.mark.parametrize("statement", [2, None], ids=["halfway", "before the commit"])
    async def test_keeps_documents_of_an_open_transaction(
        self, world: World, statement: int | None
    ) -> None:
        await sync(world, policy("a"))
        await delete_syncs(world)
        execution = await world.start_and_claim()

        async def collect_nothing() -> None:
            assert await collect(world) == 0

        async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
            interrupted: Any = Interrupted(session._driver, statement, collect_nothing)
            storing = replace(session, _driver=interrupted)
            await store_documents(storing, "a")
            await policies.store(storing, execution.run.id, [record("a")])
            await collect_nothing()
        await collect_nothing()
        assert await documents(world) == ["a"]

    async def test_a_store_that_loses_the_race_stores_the_document_again(
        self, world: World
    ) -> None:
        await sync(world, policy("a"))
        await delete_syncs(world)
        execution = await world.start_and_claim()
        transactions = world.resources[Login.MAINTENANCE].transactions

        async def store_is_waiting() -> bool:
            return bool(
                await world.rows(
                    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
                    " WHERE NOT granted AND usename = 'opsrun_worker'"
                )
            )

        async with transactions.tenant(world.tenant_id) as collecting:
            collected = await retention.collect_documents(collecting, unused_for=DAY, limit=100)
            storing = asyncio.create_task(store(execution, record("a")))
            await until(store_is_waiting)
        assert collected == 1
        assert await storing == {"a"}
        assert await documents(world) == ["a"]


class TestPinning:
    async def test_the_current_snapshot_and_its_baseline_are_never_purged(
        self, world: World
    ) -> None:
        runs = [await sync(world, policy("a", minutes=minutes)) for minutes in range(4)]
        (export_folder,) = world.exports.iterdir()
        (export_folder / "broken.json").write_text("{")
        partial = await sync(world)
        for run in (*runs, partial):
            await age(world, run.id, days=91)
        assert await inventory_maintenance(world).purge_runs(world.tenant_id) == 3
        access = await world.access()
        left = await world.read(reading.by_ids, access, [run.id for run in (*runs, partial)])
        assert set(left) == {runs[2].id, runs[3].id}
        assert await documents(world) == ["a", "a", "a", "a"]

    async def test_each_scope_keeps_its_two_snapshots(self, world: World) -> None:
        runs = [
            await sync(world, policy("a", minutes=minutes), scope_key=scope_key)
            for scope_key in ("prod", "test")
            for minutes in range(3)
        ]
        for run in runs:
            await age(world, run.id, days=91)
        assert await inventory_maintenance(world).purge_runs(world.tenant_id) == 2
        left = await world.read(reading.by_ids, await world.access(), [run.id for run in runs])
        assert set(left) == {run.id for run in (*runs[1:3], *runs[4:])}


async def test_only_policies_with_other_content_differ(world: World) -> None:
    old = await sync(world, policy("a", version=1), policy("b", minutes=1), policy("gone"))
    new = await sync(world, policy("a", version=2), policy("b", minutes=2), policy("new"))
    async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
        runs = (old.id, new.id)
        count, differences = await policies.differences(session, *runs, after=None, limit=10)
        assert count == 3
        second_page = await policies.differences(session, *runs, after="b", limit=1)
        assert second_page == (2, differences[1:2])
        bodies = await policies.documents(
            session, [d.current_document for d in differences if d.current_document]
        )
    assert [
        (d.policy_id, d.name, d.baseline_document is None, d.current_document is None)
        for d in differences
    ] == [
        ("b", "Policy b", False, False),
        ("gone", "Policy gone", False, True),
        ("new", "Policy new", True, False),
    ]
    assert sorted(json.loads(body)["id"] for body in bodies.values()) == ["b", "new"]
