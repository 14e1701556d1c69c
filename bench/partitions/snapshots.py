"""Snapshots for the large tenant's history: items and policies, as syncs store them."""

import json

import asyncpg

from bench.work.exports import policy

_RUNS_PER_SNAPSHOT, _MIN_SNAPSHOTS = 1000, 20

# A policy changes once in a hundred snapshots.
_DOCUMENTS = """
INSERT INTO opsrun.policy_document (tenant_id, hash, body)
SELECT $1, sha256(concat(n, ' ', version)::bytea),
    jsonb_set(body, '{lastModifiedDateTime}', to_jsonb('version ' || version))
FROM unnest($2::jsonb[]) WITH ORDINALITY AS each_policy (body, n),
    generate_series(0, ($3 + 100) / 100) AS version
"""
_SYNCS = """
CREATE TEMP TABLE sync AS
SELECT tenant_id, run_id, row_number() OVER (ORDER BY created_at) AS snapshot, finished_at FROM (
    SELECT tenant_id, id AS run_id, created_at, finished_at,
        row_number() OVER (ORDER BY created_at) AS number, count(*) OVER () AS runs
    FROM opsrun.operation_run
    WHERE tenant_id = '{tenant}' AND run_type = 'inventory.sync' AND status_bucket = 'SUCCEEDED'
) AS run WHERE number % (runs / {snapshots}) = 0
"""
_ITEMS = """
INSERT INTO opsrun.run_item (tenant_id, run_id, item_key, outcome, attempt, recorded_at)
SELECT tenant_id, run_id, 'policy-' || n || '.json', 'succeeded', 1, finished_at
FROM sync, generate_series(1, $1) AS n ORDER BY snapshot, n
"""
_POLICIES = """
INSERT INTO opsrun.inventory_policy (
    tenant_id, run_id, policy_id, item_key, name, policy_type, content_hash, document_hash)
SELECT tenant_id, run_id, '00000000-0000-0000-0000-' || lpad(n::text, 12, '0'),
    'policy-' || n || '.json', 'Policy ' || n, 'SETTINGS_CATALOG',
    sha256(concat('content ', n, ' ', (n + snapshot) / 100)::bytea),
    sha256(concat(n, ' ', (n + snapshot) / 100 - n / 100)::bytea)
FROM sync, generate_series(1, $1) AS n ORDER BY snapshot, n
"""
_SCOPES = """
INSERT INTO opsrun.inventory_scope (tenant_id, key)
SELECT DISTINCT tenant_id, subject FROM opsrun.operation_run WHERE run_type = 'inventory.sync'
"""


async def add_snapshots(database: asyncpg.Connection, slug: str, runs: int) -> None:
    """Give some of the tenant's syncs as many items and policies, in all, as it has runs."""
    tenant = await database.fetchval("SELECT id FROM opsrun.tenant WHERE slug = $1", slug)
    snapshots = max(runs // _RUNS_PER_SNAPSHOT, _MIN_SNAPSHOTS)
    policies = runs // snapshots
    bodies = [json.dumps(policy(number, 1)) for number in range(1, policies + 1)]
    # The foreign keys hold by construction.
    await database.execute("SET session_replication_role = replica")
    await database.execute(_DOCUMENTS, tenant, bodies, snapshots)
    await database.execute(_SYNCS.format(tenant=tenant, snapshots=snapshots))
    await database.execute(_ITEMS, policies)
    await database.execute(_POLICIES, policies)
    await database.execute(_SCOPES)
    await database.execute("RESET session_replication_role; DROP TABLE sync")
