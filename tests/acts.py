"""What tests do with a tenant's runs: start, sync, compare, claim, rescue, dispatch.

For example, sync two policies and read the scope (`tests.ledger` has the reads):

    run = await sync(world, policy("a"), policy("b"))
    assert [policy.policy_id for policy in await policies(world)] == ["a", "b"]
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from domain.backups.models import AddPolicies, BackupSet
from domain.backups.run_type import ADD_POLICIES
from domain.drift.run_type import DRIFT_GENERATE, DriftParameters
from domain.inventory.maintenance import InventoryMaintenance
from domain.inventory.models import SyncParameters
from domain.inventory.run_type import INVENTORY_SYNC
from domain.lifecycle import ACTIVE_STATUSES, RunStatus
from domain.runs.dispatching import Send
from domain.runs.execution import RunExecution
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import Dispatch, OperationRun, StartedRun
from domain.tables import operation_run
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.ledger import reload
from tests.world import LEASE, SCOPE, TENANT_CONCURRENCY, World

# Exports


def policy(policy_id: str, **settings: Any) -> dict[str, Any]:
    """Return a compliance policy with these settings."""
    return {
        "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
        "id": policy_id,
        "displayName": f"Policy {policy_id}",
        **settings,
    }


def write_policy(world: World, scope_key: str, policy_id: str, **settings: Any) -> None:
    """Write a policy into a scope of the export, in a file named like its id."""
    folder = world.exports / scope_key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{policy_id}.json").write_text(json.dumps(policy(policy_id, **settings)))


def export(world: World, *policies: dict[str, Any], scope_key: str = SCOPE) -> Path:
    """Make a scope hold exactly these policies, and return its folder."""
    folder = world.exports / scope_key
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for body in policies:
        (folder / f"{body['id']}.json").write_text(json.dumps(body))
    return folder


# Starting and working


async def save_scopes(world: World, *scope_keys: str) -> None:
    """Record scopes of the tenant, as maintenance does when it finds their folders."""
    await inventory_maintenance(world).save_scopes({world.tenant_id: scope_keys})


async def start_sync(
    world: World, scope_key: str = SCOPE, *, allow_empty: bool = False
) -> StartedRun:
    """Start a sync of a scope, which need not be known yet."""
    await save_scopes(world, scope_key)
    access = await world.access()
    return await sync_as(world, access, scope_key, allow_empty=allow_empty)


async def sync_as(
    world: World, access: TenantAccess, scope_key: str, *, allow_empty: bool = False
) -> StartedRun:
    """Start a sync of a scope as this member."""
    parameters = SyncParameters(scope_key=scope_key, allow_empty=allow_empty)
    return await world.cases.operations.start_with(access, INVENTORY_SYNC, parameters)


async def compare_as(world: World, access: TenantAccess, scope_key: str) -> StartedRun:
    """Start drift generation of a scope as this member."""
    parameters = DriftParameters(scope_key=scope_key)
    return await world.cases.operations.start_with(access, DRIFT_GENERATE, parameters)


async def add_as(
    world: World, access: TenantAccess, set_id: UUID, policies: Sequence[tuple[str, str]]
) -> StartedRun:
    """Start to add policies to a backup set as this member."""
    parameters = AddPolicies(backup_set_id=set_id, policies=policies)
    return await world.cases.operations.start_with(access, ADD_POLICIES, parameters)


async def complete(world: World, started: StartedRun) -> OperationRun:
    """Let a worker execute the run, and return the run as it is then."""
    await world.work(started)
    return await reload(world, started.run.id)


async def sync(
    world: World,
    *policies: dict[str, Any],
    scope_key: str = SCOPE,
    allow_empty: bool = False,
) -> OperationRun:
    """Sync a scope; if there are policies, export exactly these first."""
    if policies:
        export(world, *policies, scope_key=scope_key)
    return await complete(world, await start_sync(world, scope_key, allow_empty=allow_empty))


async def drift(world: World, scope_key: str = SCOPE) -> OperationRun:
    """Generate drift of a scope."""
    return await complete(world, await compare_as(world, await world.access(), scope_key))


async def backup_set(world: World, name: str = "Weekly") -> BackupSet:
    """Create an empty backup set."""
    return await world.cases.backups.create_set(await world.access(TenantRole.MANAGER), name)


async def back_up(
    world: World, target: BackupSet, *policy_ids: str, scope_key: str = SCOPE
) -> OperationRun:
    """Add policies of one scope to a backup set."""
    chosen = [(scope_key, policy_id) for policy_id in policy_ids]
    access = await world.access()
    return await complete(world, await add_as(world, access, target.id, chosen))


async def insert_runs(world: World, runs: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Insert runs with these columns, without events, and return their ids in order."""
    now = datetime.now(UTC)
    rows = []
    for run in runs:
        status = run.get("status", RunStatus.PENDING)
        rows.append(
            {
                "tenant_id": world.tenant_id,
                "id": uuid4(),
                "resource": "inventory",
                "action": "sync",
                "idempotency_key": uuid4().bytes,
                "status": status,
                "total": None,
                "succeeded": 0,
                "failed": 0,
                "skipped": 0,
                "initiator_id": UUID(int=7),
                "initiator_name": "Somebody",
                "context": {},
                "subject": SCOPE,
                "attempt": 0 if status == RunStatus.PENDING else 1,
                "max_attempts": 3,
                "lease_token": uuid4() if status == RunStatus.RUNNING else None,
                "lease_expires_at": now if status == RunStatus.RUNNING else None,
                "not_before": now,
                "created_at": now,
                "finished_at": None if status in ACTIVE_STATUSES else now,
                **run,
            }
        )
    async with world.resources[Login.MAINTENANCE].transactions.installation() as session:
        await session.execute(insert(operation_run).values(rows))
    return [row["id"] for row in rows]


async def queue_runs(world: World, count: int) -> None:
    """Insert this many queued runs with their outbox entries, in two statements."""
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


# Workers and maintenance


async def claim(world: World, run_id: UUID) -> RunExecution:
    """Let a worker claim the queued run at once."""
    await skip_delay(world, run_id)
    execution = await world.claimer.claim(world.tenant_id, run_id, LEASE)
    assert execution is not None
    return execution


async def skip_delay(world: World, run_id: UUID) -> None:
    """End the delay before the run's next attempt."""
    await world.write(
        "UPDATE opsrun.operation_run SET not_before = clock_timestamp()"
        " WHERE tenant_id = :tenant_id AND id = :run_id",
        run_id=run_id,
    )


async def expire_lease(world: World, run_id: UUID) -> None:
    """Make the lease of a running run end an hour ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET lease_expires_at = clock_timestamp() - interval '1 hour'"
        " WHERE tenant_id = :tenant_id AND id = :run_id AND status = 'running'",
        run_id=run_id,
    )


async def lose_worker(world: World, run_id: UUID) -> None:
    """Rescue the run from its worker, so that another one can claim it."""
    await expire_lease(world, run_id)
    await rescue(world)
    await skip_delay(world, run_id)


async def take_over(world: World, lost: RunExecution) -> RunExecution:
    """Rescue the run from its worker and let another one claim it."""
    await lose_worker(world, lost.run.id)
    return await claim(world, lost.run.id)


def inventory_maintenance(world: World) -> InventoryMaintenance:
    """Return the maintenance of inventories."""
    return InventoryMaintenance(world.resources[Login.MAINTENANCE].transactions)


def run_maintenance(world: World) -> RunMaintenance:
    """Return the maintenance of runs."""
    resources = world.resources[Login.MAINTENANCE]
    return RunMaintenance(resources.transactions, resources.wakeups)


async def rescue(world: World) -> None:
    """Rescue every run whose lease has ended, in all tenants."""
    while await run_maintenance(world).rescue(grace=timedelta(0)):
        pass


async def discard(_: Sequence[Dispatch]) -> None:
    """Send messages nowhere."""


async def relay(
    world: World, send: Send = discard, *, tenant_concurrency: int = TENANT_CONCURRENCY
) -> list[UUID]:
    """Dispatch all due outbox entries, and return the runs of those of this tenant.

    Entries of other tenants are not sent: other tests left them.
    """
    sent: list[UUID] = []

    async def send_own(dispatches: Sequence[Dispatch]) -> None:
        own = [dispatch for dispatch in dispatches if dispatch.tenant_id == world.tenant_id]
        await send(own)
        sent.extend(dispatch.run_id for dispatch in own)

    while await run_maintenance(world).relay(send_own, tenant_concurrency=tenant_concurrency):
        pass
    return sent


async def age(world: World, *run_ids: UUID, days: int) -> None:
    """Make the runs end this many days ago."""
    await world.write(
        "UPDATE opsrun.operation_run SET finished_at = clock_timestamp()"
        " - make_interval(days => :days) WHERE tenant_id = :tenant_id AND id = ANY(:ids)",
        ids=list(run_ids),
        days=days,
    )


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Wait until the condition holds; fail if it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def wait_for_end(world: World, run_id: UUID) -> OperationRun:
    """Wait until the run has ended, and return it."""

    async def has_ended() -> bool:
        return (await reload(world, run_id)).is_terminal

    await until(has_ended)
    return await reload(world, run_id)
