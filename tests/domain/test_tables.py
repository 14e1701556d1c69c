"""Keys and references of the database stay inside a tenant.

Postgres checks both without row level security, so a key without its tenant would reveal that
another tenant has such a row.
"""

from domain.tables import SCHEMA, metadata
from tests.ledger import TENANT_COLUMNS
from tests.world import World

TENANTS_TABLES = {table.name for table in TENANT_COLUMNS}
# Unique without the tenant, and why that reveals nothing about other tenants.
GLOBAL_KEYS = {
    "pk_tenant": "the tenant itself",
    "uq_tenant_slug": "part of links; only operators choose it",
    "pk_app_user": "a user may belong to several tenants",
    "pk_trusted_document": "the hash of a text, which belongs to no tenant",
    "pk_request_budget": "the hash of an app, which tenants may share; only workers read it",
    "pk_worker_run_type": "the name of a run type, which belongs to no tenant",
    "pk_outbox": "counted by the database; no client can choose or see it",
}
# Tables that references may name without a tenant.
ABOVE_TENANTS = {"tenant": "it is the tenant", "app_user": "may belong to several tenants"}

_UNIQUE = """
    SELECT t.relname AS table, i.relname AS index, a.attname AS first
    FROM pg_index x
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
    WHERE t.relnamespace = CAST(:schema AS regnamespace) AND x.indisunique
        AND t.relname <> 'alembic_version'
"""
_REFERENCES = """
    SELECT t.relname AS table, target.relname AS target, c.conname AS name,
        EXISTS (
            SELECT FROM unnest(c.conkey, c.confkey) AS pair(here, there)
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = here
            JOIN pg_attribute b ON b.attrelid = target.oid AND b.attnum = there
            WHERE a.attname = 'tenant_id' AND b.attname = 'tenant_id'
        ) AS carries_tenant
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_class target ON target.oid = c.confrelid
    WHERE c.connamespace = CAST(:schema AS regnamespace) AND c.contype = 'f'
"""


async def test_every_unique_index_begins_with_the_tenant(world: World) -> None:
    rows = await world.rows(_UNIQUE, schema=SCHEMA)
    assert {row.table for row in rows} == {table.name for table in metadata.sorted_tables}
    assert {row.index for row in rows if row.first != "tenant_id"} == {*GLOBAL_KEYS}


async def test_every_reference_between_tenants_tables_carries_the_tenant(world: World) -> None:
    rows = await world.rows(_REFERENCES, schema=SCHEMA)
    assert {row.table for row in rows} == TENANTS_TABLES - {"tenant"}
    assert {row.target for row in rows if not row.carries_tenant} == {*ABOVE_TENANTS}
