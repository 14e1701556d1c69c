"""What a run, an event, an item and a policy cost Postgres on each layout."""

from collections.abc import Sequence
from functools import partial

from bench.partitions.sides import Side, Used
from bench.report import Cell, Table, ratio
from bench.tenants import start_sync
from bench.timing import by_turns, medians
from bench.writes import ITEMS, LEASE

_ROWS = {
    "run_event": """
        INSERT INTO opsrun.run_event (tenant_id, seq, run_id, version, kind, status, status_bucket,
            succeeded, failed, skipped, attempt)
        SELECT tenant_id, 1000000000 + n, id, 1000 + n, 'RUN_PROGRESSED', 'running', 'RUNNING',
            n, 0, 0, 1 FROM run, generate_series(1, $1::int) AS n""",
    "run_item": """
        INSERT INTO opsrun.run_item (tenant_id, run_id, item_key, outcome, attempt)
        SELECT tenant_id, id, 'new-' || n || '.json', 'succeeded', 1
        FROM run, generate_series(1, $1::int) AS n ON CONFLICT DO NOTHING""",
    "inventory_policy": """
        INSERT INTO opsrun.inventory_policy (tenant_id, run_id, policy_id, item_key, name,
            policy_type, content_hash, document_hash)
        SELECT tenant_id, id, 'new-0000-0000-0000-' || lpad(n::text, 12, '0'),
            'policy-' || n || '.json', 'Policy ' || n, 'SETTINGS_CATALOG', hash, hash
        FROM run, generate_series(1, $1::int) AS n,
            (SELECT hash FROM opsrun.policy_document LIMIT 1) AS document""",
}
_NEWEST = """
WITH run AS (SELECT tenant_id, id FROM opsrun.operation_run ORDER BY created_at DESC LIMIT 1)
"""


async def measure_writes(sides: Sequence[Side], rounds: int, runs: int, rows: int) -> list[Table]:
    """Execute runs, and insert rows in one statement, on all sides by turns."""
    works = {f"a run with {ITEMS} items": [partial(execute_runs, side, runs) for side in sides]}
    for table in _ROWS:
        works[f"a row of {table}"] = [partial(_insert, side, table, rows) for side in sides]
    cpu: list[Sequence[Cell]] = []
    wal: list[Sequence[Cell]] = []
    for name, by_side in works.items():
        await by_turns(by_side, 1)
        figures = [medians(turns) for turns in await by_turns(by_side, rounds)]
        today, others = figures[0], figures[1:]
        cpu.append((name, 1000 * today.cpu_ms, *(ratio(u.cpu_ms, today.cpu_ms) for u in others)))
        wal.append((name, today.wal_bytes, *(ratio(u.wal_bytes, today.wal_bytes) for u in others)))
    names = [side.layout.name for side in sides]
    ratios = [f"{name}, ratio" for name in names[1:]]
    return [
        Table("Writes: CPU of Postgres", ["", f"{names[0]}, µs", *ratios], cpu),
        Table("Writes: WAL", ["", f"{names[0]}, bytes", *ratios], wal),
    ]


async def execute_runs(side: Side, runs: int) -> Used:
    """Start, claim, record and finish runs one after another; return what each uses."""
    before = await side.original.used()
    for _ in range(runs):
        started = await start_sync(side.starter, side.access)
        execution = await side.claimer.claim(side.access.tenant_id, started.run.id, LEASE)
        assert execution is not None
        async with execution.batch() as batch:
            for number in range(ITEMS):
                batch.succeeded(f"policy-{number}")
        await execution.finish()
    return (await side.original.used() - before) / runs


async def _insert(side: Side, table: str, rows: int) -> Used:
    """Insert rows of the newest run, with its foreign keys checked, and take them back."""
    transaction = side.database.transaction()
    await transaction.start()
    before = await side.original.used()
    await side.database.execute(_NEWEST + _ROWS[table], rows)
    used = await side.original.used() - before
    await transaction.rollback()
    return used / rows
