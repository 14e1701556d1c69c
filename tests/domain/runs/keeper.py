"""Maintenance as tests call it: it works on every tenant, so it goes on until nothing is left."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.runs.execution import RunExecution
from domain.runs.maintenance import BATCH, RunMaintenance
from domain.runs.models import OperationRun
from domain.runs.repository import reading
from tests.world import LEASE, TENANT_CONCURRENCY, World

LONG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Keeper:
    """RunMaintenance, and the means to let time pass for one run."""

    world: World
    maintenance: RunMaintenance
    grace: timedelta

    async def run(self, run_id: UUID) -> OperationRun:
        """Return the run as the API sees it now."""
        found = await self.world.read(reading.by_ids, await self.world.access(), [run_id])
        return found[run_id]

    async def expire(self, run_id: UUID) -> None:
        """Let the worker of the run have been silent for an hour past its lease."""
        await self.world.write(
            "UPDATE opsrun.operation_run"
            " SET lease_expires_at = clock_timestamp() - CAST(:ago AS interval)"
            " WHERE tenant_id = :tenant_id AND id = :id",
            id=run_id,
            ago=LONG,
        )

    async def rescue(self) -> None:
        """Take every run from workers that are lost."""
        while await self.maintenance.rescue(grace=self.grace):
            pass

    async def drain(self) -> None:
        """Let every due order of the outbox be sent, to nobody."""

        async def send(_: object) -> None:
            pass

        while await self.maintenance.relay(send, tenant_concurrency=TENANT_CONCURRENCY) == BATCH:
            pass

    async def wait_over(self, run_id: UUID) -> None:
        """Let the delay before the next attempt have passed."""
        await self.world.write(
            "UPDATE opsrun.operation_run SET not_before = clock_timestamp()"
            " WHERE tenant_id = :tenant_id AND id = :id",
            id=run_id,
        )

    async def claim(self, run_id: UUID) -> RunExecution:
        """Let a worker take the pending run."""
        await self.wait_over(run_id)
        execution = await self.world.claimer.claim(self.world.tenant_id, run_id, LEASE)
        assert execution is not None
        return execution

    async def take_over(self, lost: RunExecution) -> RunExecution:
        """Rescue the run from its worker and give it to another."""
        await self.expire(lost.run.id)
        await self.rescue()
        return await self.claim(lost.run.id)
