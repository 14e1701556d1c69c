"""Checksums of the database, to show that an operation changed nothing."""

from tests.world import World

_TABLES = (
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = 'opsrun' AND table_type = 'BASE TABLE' ORDER BY 1"
)


async def contents(world: World) -> dict[str, tuple[int, int]]:
    """Return (rows, checksum) of every table, of all tenants."""
    tables = {}
    for (table,) in await world.rows(_TABLES):
        ((rows, checksum),) = await world.rows(
            f"SELECT count(*), coalesce(sum(hashtext(t::text)), 0) FROM opsrun.{table} t"
        )
        tables[table] = (rows, int(checksum))
    assert tables["operation_run"]
    return tables
