"""What a purge costs on each layout: a week of the large tenant's runs is past its retention."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import pairwise
from statistics import fmean
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text

from bench.history import LENGTH
from bench.partitions.layouts import bounds
from bench.partitions.sides import LARGE, Side, Used
from bench.report import Cell, Table
from domain.inventory.maintenance import BATCH, InventoryMaintenance
from domain.inventory.repository import retention
from domain.runs.repository import feed
from domain.runs.repository.maintenance import delete_runs
from domain.tenancy.transactions import Transactions

EXPIRED = timedelta(days=7)
_RETENTION = """
UPDATE opsrun.tenant SET retention_days = CASE slug WHEN $1 THEN $2::int ELSE 3650 END
"""
_SAME_COUNT = """
(counted.tenant_id, counted.grouped_by, counted.hours, counted.begins_at, counted.run_type,
    counted.status_bucket, counted.initiator_id)
= (gone.tenant_id, gone.grouped_by, gone.hours, gone.begins_at, gone.run_type,
    gone.status_bucket, gone.initiator_id)
"""
_COUNT = text(f"""
WITH gone AS (
    SELECT key.tenant_id, key.grouped_by, key.hours, key.begins_at, key.run_type,
        key.status_bucket, key.initiator_id, count(*) AS runs
    FROM opsrun.operation_run AS run, opsrun.counts_of(run) AS key
    WHERE run.tenant_id = opsrun.current_tenant_id() AND run.id = ANY(:ids)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), emptied AS (
    DELETE FROM opsrun.run_count AS counted USING gone
    WHERE {_SAME_COUNT} AND counted.runs = gone.runs
)
UPDATE opsrun.run_count AS counted SET runs = counted.runs - gone.runs FROM gone
WHERE {_SAME_COUNT} AND counted.runs > gone.runs
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
# The runs that the product's purge would not delete.
_KEPT = """
CREATE TEMP TABLE kept AS
SELECT run.tenant_id, run.id FROM opsrun.operation_run AS run
JOIN opsrun.tenant ON tenant.id = run.tenant_id
WHERE run.created_at < '{end}' AND (run.finished_at IS NULL
    OR run.finished_at >= clock_timestamp() - make_interval(days => tenant.retention_days)
    OR run.id IN (SELECT newest.id FROM opsrun.inventory_scope AS scope CROSS JOIN LATERAL (
        SELECT id FROM opsrun.operation_run
        WHERE tenant_id = scope.tenant_id AND run_type = 'inventory.sync'
            AND subject = scope.key AND status_bucket = 'SUCCEEDED'
        ORDER BY created_at DESC, id DESC LIMIT 2) AS newest));
ANALYZE kept
"""
_DROP = """
BEGIN;
ALTER TABLE opsrun.{table} DETACH PARTITION opsrun.{partition};
INSERT INTO opsrun.{table} SELECT old.* FROM opsrun.{partition} AS old
    JOIN kept ON (kept.tenant_id, kept.id) = (old.tenant_id, old.run_id);
DROP TABLE opsrun.{partition};
COMMIT
"""
_DELETE = """
EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM opsrun.operation_run
WHERE tenant_id = '{tenant}' AND id = ANY (ARRAY(SELECT id FROM opsrun.operation_run
    WHERE tenant_id = '{tenant}' ORDER BY finished_at OFFSET {offset} LIMIT {limit}))
"""
# Enough for some snapshots with their items.
_BATCHES = 40


async def measure_purge(sides: Sequence[Side]) -> list[Table]:
    """Purge all sides, and drop their partitions; return what it costs for each run."""
    split = await _split(sides[0])
    rows: list[Sequence[Cell]] = []
    for side in sides:
        await set_retention(side)
        runs, steps = await purge(side)
        for name, used in steps.items():
            rows.append(_row(f"{side.layout.name}: {name}", runs, used))
        total = [sum(figures) for figures in zip(*map(_figures, steps.values()), strict=True)]
        rows.append(_row(f"{side.layout.name}: all", runs, Used(*total)))
    columns = ["for each run", "CPU µs", "WAL bytes", "runs", "seconds in all"]
    return [Table("Purge of a week", columns, rows), split]


def _figures(used: Used) -> tuple[float, float, float]:
    return used.seconds, used.cpu_ms, used.wal_bytes


def _row(name: str, runs: int, used: Used) -> Sequence[Cell]:
    return (name, 1000 * used.cpu_ms / runs, used.wal_bytes / runs, runs, used.seconds)


async def set_retention(side: Side) -> None:
    """Let the first week of the large tenant be past its retention, and no other run."""
    if side.layout.counts_batches:
        await side.database.execute("DROP TRIGGER count_delete ON opsrun.operation_run")
    await side.database.execute(_RETENTION, LARGE, (LENGTH - EXPIRED).days)
    await side.database.execute("VACUUM ANALYZE")
    # Each side then writes a page to the WAL as a whole when it first changes it.
    await side.database.execute("CHECKPOINT")


async def purge(side: Side) -> tuple[int, dict[str, Used]]:
    """Purge as the product does, and drop the partitions; return the runs and the steps' cost."""
    marks = [await side.original.used()]
    # With a cascade, rows of dropped partitions need not be deleted one by one.
    if side.layout.cascades:
        await _drop(side)
        marks.append(await side.original.used())
    purge_runs = partial(
        _purge_counted if side.layout.counts_batches else _purge_runs,
        side.maintenance,
        side.access.tenant_id,
    )
    runs = 0
    while (deleted := await purge_runs()) == BATCH:
        runs += deleted
    marks.append(await side.original.used())
    if not side.layout.cascades:
        await _drop(side)
        marks.append(await side.original.used())
    await side.database.execute("VACUUM")
    marks.append(await side.original.used())
    names = ["drop", "delete"] if side.layout.cascades else ["delete", "drop"]
    steps = [after - before for before, after in pairwise(marks)]
    return runs + deleted, dict(zip([*names, "vacuum"], steps, strict=True))


async def _purge_runs(transactions: Transactions, tenant_id: UUID) -> int:
    return await InventoryMaintenance(transactions).purge_runs(tenant_id)


async def _purge_counted(transactions: Transactions, tenant_id: UUID) -> int:
    """Purge a batch like the product, and subtract it from each count once."""
    async with transactions.tenant(tenant_id) as session:
        run_ids = await retention.expired_runs(session, limit=BATCH)
        # The trigger would lock the feed's counter first as well.
        await feed.raise_min_seq(session, 0)
        await session.execute(_COUNT, {"ids": run_ids})
        await feed.raise_min_seq(session, await delete_runs(session, run_ids))
    return len(run_ids)


async def _drop(side: Side) -> None:
    """Drop the partitions of the week; rows of runs that are kept move to the default partition."""
    layout = side.layout
    if not layout.columns:
        return
    numbers = range(EXPIRED.days // layout.days)
    end = bounds(side.original.filled_at, layout.days)[len(numbers)]
    await side.database.execute(_KEPT.format(end=end))
    for table in layout.columns:
        for number in numbers:
            await side.database.execute(_DROP.format(table=table, partition=f"{table}_{number}"))
    await side.database.execute("DROP TABLE kept")


async def _split(side: Side) -> Table:
    """Return how long the parts of the deletion of a batch take; all are taken back."""
    times = dict[str, list[float]]()
    for batch in range(_BATCHES):
        transaction = side.database.transaction()
        await transaction.start()
        # The deferred trigger of the counts fires within the statement, which measures its time.
        await side.database.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql = _DELETE.format(tenant=side.access.tenant_id, offset=batch * BATCH, limit=BATCH)
        [explained] = json.loads(await side.database.fetchval(sql))
        await transaction.rollback()
        triggers = {
            trigger.get("Constraint Name", trigger["Trigger Name"]): trigger["Time"]
            for trigger in explained["Triggers"]
        }
        triggers["the run"] = explained["Execution Time"] - sum(triggers.values())
        for name, milliseconds in triggers.items():
            times.setdefault(name, []).append(1000 * milliseconds / BATCH)
    rows = [(name, fmean(each)) for name, each in times.items()]
    return Table("The parts of a deletion today", ["for each run", "µs"], rows)
