"""A sync of many policies, and the drift of one percent of them, each beside its limits."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import asyncpg

from bench.load.process import Generator, open_generator
from bench.processes import MAINTENANCE, WORKER, running
from bench.stage import WORK, Stage
from bench.timing import by_turns, medians
from bench.work.copying import copy_rows, create_copies, stored_rows
from bench.work.empty_runs import EmptyRuns
from bench.work.executions import Executor, Took
from bench.work.exports import change_export, write_export
from domain.inventory.maintenance import InventoryMaintenance
from domain.tenancy.administration import save_tenant
from domain.tenancy.providers import DirectorySettings
from tests.client import DRIFT, SYNC, Client, open_http

FILES = "limit: files read, parsed and hashed"
COPY = "limit: COPY of the same rows"
FIRST_SYNC, NEXT_SYNC = "Opsrun: first sync", "Opsrun: next sync, 1 % changed"
CHANGED_HASHES = "limit: SQL that finds the changed hashes"
NEW_DRIFT, KNOWN_DRIFT = "Opsrun: drift, 1 % changed", "Opsrun: the same drift again"

_SCOPE = "generated"
_SYNCS = """
SELECT id FROM opsrun.operation_run
WHERE tenant_id = $1 AND run_type = 'inventory.sync' AND subject = $2 ORDER BY created_at
"""
_CHANGED = """
SELECT coalesce(old.policy_id, new.policy_id)
FROM (SELECT * FROM opsrun.inventory_policy WHERE tenant_id = $1 AND run_id = $2) old
FULL JOIN (SELECT * FROM opsrun.inventory_policy WHERE tenant_id = $1 AND run_id = $3) new
    ON old.policy_id = new.policy_id
WHERE old.content_hash IS DISTINCT FROM new.content_hash
"""
_QUERIES = 5


async def measure_items(stage: Stage, runs: EmptyRuns, rounds: int) -> dict[str, Took]:
    """Return the figures of the syncs, the drift and their limits by name."""
    folder = stage.servers.folder / "exports"
    await asyncio.to_thread(write_export, folder / _SCOPE, stage.scale.policies)
    database = await asyncpg.connect(stage.servers.superuser_url)
    try:
        await create_copies(database)
        async with (
            running(stage.servers, [MAINTENANCE]),
            open_generator("bench.peers.files") as reader,
            open_http(f"http://127.0.0.1:{runs.api.port}") as http,
        ):
            # Each round has another tenant, because a document is stored once in a tenant.
            turns = [
                await _Turn(stage, database, reader, folder, slug, version).measure(
                    Client(http, runs.tokens[slug])
                )
                for version, slug in enumerate(WORK[:rounds], start=1)
            ]
    finally:
        await database.close()
    return {name: medians([turn[name] for turn in turns]) for name in turns[0]}


@dataclass(frozen=True, slots=True)
class _Turn:
    """One round, in one tenant, of a version of the export and the next one."""

    stage: Stage
    database: asyncpg.Connection
    reader: Generator
    folder: Path
    slug: str
    version: int

    async def measure(self, client: Client) -> dict[str, Took]:
        """Measure everything, one after another, with a new worker."""
        await self._add_scope()
        async with running(self.stage.servers, [WORKER]) as [worker]:
            idle = Executor(self.stage, client, worker, self.stage.global_id(self.slug))
            # A worker loads code and fills caches for its first run.
            await idle.execute(DRIFT, "empty-0")
            await worker.wait_until_quiet()
            executor = replace(idle, idle_bytes=idle.resident_bytes)
            figures = {FIRST_SYNC: await self._sync(executor)}
            figures |= {COPY: await self._copy(), FILES: await self._read_files()}
            changed = await asyncio.to_thread(
                change_export, self.folder / _SCOPE, self.stage.scale.policies, self.version + 1
            )
            figures[NEXT_SYNC] = await self._sync(executor)
            await self.database.execute("ANALYZE opsrun.inventory_policy, opsrun.policy_document")
            figures[CHANGED_HASHES] = await self._find_changed(changed)
            figures[NEW_DRIFT], counts = await executor.execute(DRIFT, _SCOPE)
            assert counts["succeeded"] == changed, counts
            figures[KNOWN_DRIFT], counts = await executor.execute(DRIFT, _SCOPE)
            assert counts["skipped"] == changed, counts
        return figures

    async def _add_scope(self) -> None:
        maintenance = self.stage.servers.maintenance
        tenant = await save_tenant(
            maintenance, self.slug, self.slug, DirectorySettings(str(self.folder))
        )
        await InventoryMaintenance(maintenance).save_scopes({tenant: [_SCOPE]})

    async def _sync(self, executor: Executor) -> Took:
        took, counts = await executor.execute(SYNC, _SCOPE)
        assert counts["succeeded"] == self.stage.scale.policies, counts
        return took

    async def _copy(self) -> Took:
        rows = await stored_rows(self.database, self.stage.servers.tenants[self.slug])
        return await copy_rows(self.stage.servers, self.database, rows)

    async def _read_files(self) -> Took:
        result = await self.reader.call("read", folder=str(self.folder / _SCOPE))
        assert result["files"] == self.stage.scale.policies, result
        return Took(result["seconds"], result["cpu"])

    async def _find_changed(self, changed: int) -> Took:
        tenant = self.stage.servers.tenants[self.slug]
        syncs = [row["id"] for row in await self.database.fetch(_SYNCS, tenant, _SCOPE)]
        statement = await self.database.prepare(_CHANGED)

        async def find() -> Took:
            began, used = perf_counter(), self.stage.servers.postgres_cpu_seconds
            rows = await statement.fetch(tenant, *syncs)
            assert len(rows) == changed
            seconds = perf_counter() - began
            return Took(seconds, 0.0, self.stage.servers.postgres_cpu_seconds - used)

        [results] = await by_turns([find], _QUERIES)
        return medians(results)
