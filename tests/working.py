"""Exports to sync, the runs over them, and workers that die: for tests about work."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.backups.models import BackupSet
from domain.drift import repository as drift_repository
from domain.drift.models import Comparison, DriftFinding
from domain.inventory.maintenance import InventoryMaintenance
from domain.inventory.models import Policy
from domain.inventory.repository.policies import current_page
from domain.runs.failures import RunFailure
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import Dispatch, OperationRun, StartedRun
from domain.runs.repository import reading
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.world import TENANT_CONCURRENCY, World

SCOPE = "prod"


def policy(policy_id: str, **settings: Any) -> dict[str, Any]:
    """A compliance policy with these settings."""
    return {
        "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
        "id": policy_id,
        "displayName": f"Policy {policy_id}",
        **settings,
    }


def export(world: World, *policies: dict[str, Any], scope_key: str = SCOPE) -> Path:
    """Make a scope hold exactly these policies, each in a file named like its id."""
    folder = world.exports / scope_key
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for body in policies:
        (folder / f"{body['id']}.json").write_text(json.dumps(body))
    return folder


async def ended(world: World, started: StartedRun) -> OperationRun:
    """Read the run again."""
    run = (await world.read(reading.by_ids, await world.access(), [started.run.id])).get(
        started.run.id
    )
    assert run is not None
    return run


async def queue_runs(world: World, count: int) -> None:
    """Let so many runs wait for workers, without having been started one by one."""
    await world.write(
        "INSERT INTO opsrun.operation_run (tenant_id, id, resource, action, idempotency_key,"
        " initiator_id, initiator_name, context, subject)"
        " SELECT :tenant_id, gen_random_uuid(), 'inventory', 'sync', int4send(number),"
        " gen_random_uuid(), 'Somebody', '{}', 'prod' FROM generate_series(1, :runs) AS number",
        runs=count,
    )
    await world.write(
        "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type)"
        " SELECT tenant_id, id, run_type FROM opsrun.operation_run WHERE tenant_id = :tenant_id"
        " ON CONFLICT DO NOTHING"
    )


async def done(world: World, started: StartedRun) -> OperationRun:
    """Let a worker do the run; return it as it is then."""
    await world.work(started)
    return await ended(world, started)


async def know_scopes(world: World, *scope_keys: str) -> None:
    """Let the tenant have these scopes, as maintenance does when it finds their folders."""
    await inventory_maintenance(world).save_scopes(world.tenant_id, scope_keys)


async def start_sync(
    world: World, scope_key: str = SCOPE, *, allow_empty: bool = False
) -> StartedRun:
    """Start a sync of a scope that is known."""
    await know_scopes(world, scope_key)
    access = await world.access()
    return await world.cases.inventory.start_sync(access, scope_key, allow_empty=allow_empty)


async def sync(
    world: World,
    *policies: dict[str, Any],
    scope_key: str = SCOPE,
    allow_empty: bool = False,
) -> OperationRun:
    """Sync a scope, which holds exactly these policies if any are given."""
    if policies:
        export(world, *policies, scope_key=scope_key)
    return await done(world, await start_sync(world, scope_key, allow_empty=allow_empty))


async def drift(world: World, scope_key: str = SCOPE) -> OperationRun:
    """Generate drift of a scope."""
    starting = world.cases.drift.start_generation(await world.access(), scope_key)
    return await done(world, await starting)


async def backup_set(world: World, name: str = "Weekly") -> BackupSet:
    """Create an empty backup set."""
    return await world.cases.backups.create_set(await world.access(TenantRole.MANAGER), name)


async def back_up(
    world: World, target: BackupSet, *policy_ids: str, scope_key: str = SCOPE
) -> OperationRun:
    """Add policies of one scope to a backup set."""
    chosen = [(scope_key, policy_id) for policy_id in policy_ids]
    access = await world.access()
    return await done(world, await world.cases.backups.start_adding(access, target.id, chosen))


async def failures(world: World, run: OperationRun) -> dict[str | None, RunFailure]:
    """The run's failures by item; None is the run as a whole."""
    found = await world.read(
        reading.failures,
        await world.access(),
        [run.id],
        after=None,
        reasons=frozenset(),
        limit=1000,
    )
    return {failure.item_key: failure for failure in found.get(run.id, ())}


async def skipped(world: World, run: OperationRun) -> dict[str, str | None]:
    """Why the run skipped which items."""
    found = await world.read(
        reading.skipped, await world.access(), [run.id], after=None, limit=1000
    )
    return {item.key: item.reason for item in found.get(run.id, ())}


async def policies(world: World, scope_key: str = SCOPE) -> list[Policy]:
    """The scope's current policies as a user sees them."""
    access = await world.access(TenantRole.READONLY)
    return list(await world.read(current_page, access, scope_key, after=None, limit=1000))


async def findings(world: World, run: OperationRun) -> dict[str, DriftFinding]:
    """The findings of the comparison that a drift run made, by policy id."""
    access = await world.access(TenantRole.READONLY)
    comparison = Comparison.of_context(run.context)
    pages = await world.read(
        drift_repository.pages, access, [comparison], kinds=frozenset(), after=None, limit=1000
    )
    found = pages.get(comparison, ())
    by_policy = {finding.policy_id: finding for finding in found}
    assert len(by_policy) == len(found), "a policy has two findings"
    return by_policy


def inventory_maintenance(world: World) -> InventoryMaintenance:
    """The maintenance of inventories."""
    return InventoryMaintenance(world.resources[Login.MAINTENANCE].transactions)


def run_maintenance(world: World) -> RunMaintenance:
    """The maintenance use cases."""
    keeper = world.resources[Login.MAINTENANCE]
    return RunMaintenance(keeper.transactions, keeper.wakeups)


async def rescue(world: World) -> None:
    """Let the rescuer look for runs whose lease has ended, until it finds none."""
    while await run_maintenance(world).rescue(grace=timedelta(0)):
        pass


async def relay(world: World) -> list[UUID]:
    """Send what is due in the outbox to nobody; return which runs of the tenant it was."""
    sent: list[UUID] = []

    async def send(dispatch: Dispatch) -> None:
        if dispatch.tenant_id == world.tenant_id:
            sent.append(dispatch.run_id)

    while await run_maintenance(world).relay(send, tenant_concurrency=TENANT_CONCURRENCY):
        pass
    return sent


async def lose_worker(world: World, run_id: UUID) -> None:
    """Let the worker that has the run be silent for long, and the rescuer take it away."""
    await world.write(
        "UPDATE opsrun.operation_run SET lease_expires_at = clock_timestamp() - interval '1 hour'"
        " WHERE tenant_id = :tenant_id AND id = :run_id AND status = 'running'",
        run_id=run_id,
    )
    await rescue(world)
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = created_at"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=run_id,
    )


async def age(world: World, run_id: UUID, days: int) -> None:
    """Let the run have ended so many days ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET finished_at = finished_at - make_interval(days => :days)"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=run_id,
        days=days,
    )


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition holds; fail when it does not within 30 seconds."""
    async with asyncio.timeout(30):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
