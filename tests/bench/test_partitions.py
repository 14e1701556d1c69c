"""Layouts with partitions show, keep and lose the same rows as today's tables."""

from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest

from bench.partitions.layouts import BY_RUN, BY_TIME, LAYOUTS, TODAY, Layout
from bench.partitions.migration import steps
from bench.partitions.purge import purge, set_retention
from bench.partitions.reads import reads_of, work_of
from bench.partitions.sides import Original, Side, open_original, open_side
from bench.partitions.writes import execute_runs
from opsrun.postgres.row_level_security import require_row_level_security

# A week of them are more than one batch of a purge.
RUNS = 1000
# Days take longer than weeks, and are the same code.
OTHERS = [layout for layout in LAYOUTS[1:] if layout.days != 1 or not layout.cascades]
# What identifies a row, whichever ids its run has.
KEYS = {
    "operation_run": "tenant_id, idempotency_key",
    "run_event": "tenant_id, seq",
    "run_item": "tenant_id, item_key, recorded_at",
    "run_failure": "tenant_id, item_key, occurred_at",
    "inventory_policy": "tenant_id, policy_id, document_hash",
    "run_count": "tenant_id, grouped_by, hours, begins_at, run_type, status_bucket, initiator_id,"
    " runs",
}
Rows = Mapping[str, list[asyncpg.Record]]


@pytest.fixture(scope="module")
async def original() -> AsyncIterator[Original]:
    """A filled database."""
    async with open_original(RUNS, durable=False) as filled:
        yield filled


async def rows(side: Side) -> Rows:
    return {
        table: sorted(await side.database.fetch(f"SELECT {key} FROM opsrun.{table}"))
        for table, key in KEYS.items()
    }


async def answers(side: Side) -> dict[str, object]:
    """Return how many rows each read of the product returns."""
    return {
        name: len(await work_of(side, read)())  # type: ignore[arg-type]
        for name, read in (await reads_of(side)).items()
    }


async def purged(side: Side) -> Rows:
    """Purge, and return the rows that are left."""
    before = await rows(side)
    await set_retention(side)
    runs, _ = await purge(side)
    after = await rows(side)
    assert len(before["operation_run"]) - len(after["operation_run"]) == runs > 0
    return after


@pytest.fixture(scope="module")
async def today(original: Original) -> tuple[dict[str, object], Rows]:
    """What today's tables answer, and what is left of them after a purge."""
    async with open_side(original, TODAY, 0) as side:
        return await answers(side), await purged(side)


@pytest.mark.parametrize("layout", OTHERS, ids=lambda layout: layout.name)
async def test_a_layout_shows_and_loses_the_same_rows(
    original: Original, today: tuple[dict[str, object], Rows], layout: Layout
) -> None:
    async with open_side(original, layout, 1) as side:
        answers_today, left_today = today
        assert await answers(side) == answers_today
        if "purge" in layout.groups:
            assert await purged(side) == left_today
        if "writes" in layout.groups:
            assert (await execute_runs(side, 1)).cpu_ms >= 0


@pytest.mark.parametrize("columns", [BY_TIME, BY_RUN], ids=["A", "B"])
async def test_running_processes_survive_a_migration(
    original: Original, columns: Mapping[str, str]
) -> None:
    async with open_side(original, TODAY, 2) as side:
        before = await answers(side)
        await execute_runs(side, 1)
        for table, column in columns.items():
            for sql in (await steps(original, side.database, table, column)).values():
                await side.database.execute(sql)
                await execute_runs(side, 1)
        await require_row_level_security(side.api.engine)
        assert await answers(side) == before
