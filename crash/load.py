"""Seeded clients that start runs of every type, often the same one twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from crash.clients import Clients, RefusedError, RetryableError, Transport
from crash.members import Member
from crash.producer import ITEMS, POISON, RESOURCE
from crash.seeds import seeded
from crash.subscribers import Subscribers
from crash.witness import Acknowledged, Promise, Witness
from domain.runs.models import StartOutcome
from domain.runs.starting import RunStarter
from domain.tenancy.session import DatabaseUnavailableError
from gql.ids import GlobalId
from opsrun.dev.demo import BROKEN_SCOPE, SCOPE, change_export

_PAYLOAD = "{ outcome run { id runType } userErrors { code } }"
_SYNC = f"""mutation ($input: StartInventorySyncInput!) {{
  started: startInventorySync(input: $input) {_PAYLOAD}
}}"""
_DRIFT = f"""mutation ($input: StartDriftGenerationInput!) {{
  started: startDriftGeneration(input: $input) {_PAYLOAD}
}}"""
_ADD = f"""mutation ($input: AddPoliciesToBackupSetInput!) {{
  started: addPoliciesToBackupSet(input: $input) {_PAYLOAD}
}}"""
_CREATE_SET = """mutation ($input: CreateBackupSetInput!) {
  createBackupSet(input: $input) { backupSet { id } userErrors { code } }
}"""
_POLICIES = """query ($tenant: ID!, $scope: String!) {
  tenant(id: $tenant) { policies(scopeKey: $scope, first: 100) { nodes { id } } }
}"""
_RUNS = "query ($tenant: ID!) { tenant(id: $tenant) { operationRuns { nodes { id } } } }"
_KEYS = 12


class Load:
    """The operations of the clients. They pause while `is_open` is not set."""

    def __init__(
        self, clients: Clients, subscribers: Subscribers, starter: RunStarter, witness: Witness
    ) -> None:
        self._clients = clients
        self._subscribers = subscribers
        self._starter = starter
        self._witness = witness
        self._followers: set[asyncio.Task[None]] = set()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def start_runs(self, member: Member, random: Random, max_pause: float) -> None:
        """Start one run after another, with pauses of up to `max_pause` seconds."""
        kinds: list[Callable[[Member, Random], Awaitable[None]]] = [
            self._start_items,
            self._start_items,
            self._start_items,
            self._sync,
            self._generate_drift,
            self._add_to_backup_set,
            self._read_other_tenant,
        ]
        while True:
            await self.is_open.wait()
            kind = random.choice(kinds)
            try:
                if random.random() < 0.3:
                    seed = random.getrandbits(32)
                    await asyncio.gather(*(kind(member, seeded(seed)) for _ in range(3)))
                else:
                    await kind(member, random)
            except (RetryableError, DatabaseUnavailableError):
                self._witness.counts["starts without a response"] += 1
            except RefusedError as error:
                self._clients.record_refusal(member, error)
            except SQLAlchemyError as error:
                self._witness.violation(Promise.ANSWERS, repr(error))
            await asyncio.sleep(random.uniform(0, max_pause))

    async def change_exports(self, member: Member, exports: Path, random: Random) -> None:
        """Change the tenant's export from time to time, so that there is drift."""
        while True:
            await asyncio.sleep(random.uniform(1, 5))
            await asyncio.to_thread(change_export, exports, member.slug)

    async def wait_for_followers(self) -> None:
        """Wait until every follower of a run has seen its end."""
        await asyncio.gather(*self._followers)

    def stop(self) -> None:
        """Cancel all followers of runs."""
        for follower in self._followers:
            follower.cancel()

    async def _start_items(self, member: Member, random: Random) -> None:
        """Start a run with external effects, for one of a few keys."""
        key = random.randrange(_KEYS)
        await self.start(
            member,
            ITEMS,
            {
                "key": f"{member.slug}-{key}",
                "items": 5 + key * 2,
                "pause": 0.05,
                "breaks": not key,
            },
        )

    async def start_poison(self, member: Member) -> None:
        """Start a run that kills its workers."""
        await self.start(member, POISON, {"key": member.slug})

    async def start(self, member: Member, action: str, context: dict[str, Any]) -> UUID:
        """Start a run of a type without a mutation."""
        started = await self._starter.start(
            member.access,
            resource=RESOURCE,
            action=action,
            subject=context["key"],
            context=context,
        )
        self._acknowledge(member, started.run.id, started.outcome)
        return started.run.id

    async def _sync(self, member: Member, random: Random) -> None:
        scope = SCOPE if random.random() < 0.8 else BROKEN_SCOPE
        await self._mutate(member, _SYNC, tenantId=member.global_id, scopeKey=scope)

    async def _generate_drift(self, member: Member, _: Random) -> None:
        await self._mutate(member, _DRIFT, tenantId=member.global_id, scopeKey=SCOPE)

    async def _add_to_backup_set(self, member: Member, random: Random) -> None:
        data = await self._clients.execute(member, _POLICIES, tenant=member.global_id, scope=SCOPE)
        ids = [node["id"] for node in data["tenant"]["policies"]["nodes"]]
        if not ids:
            return
        name = f"set {random.getrandbits(64):x}"
        data = await self._clients.execute(
            member, _CREATE_SET, input={"tenantId": member.global_id, "name": name}
        )
        if backup_set := data["createBackupSet"]["backupSet"]:
            await self._mutate(member, _ADD, backupSetId=backup_set["id"], policyIds=ids)

    async def _mutate(self, member: Member, mutation: str, **variables: Any) -> None:
        payload = (await self._clients.execute(member, mutation, input=variables))["started"]
        if run := payload["run"]:
            run_id = GlobalId.decode(run["id"]).uuid_key()
            self._acknowledge(member, run_id, StartOutcome(payload["outcome"]))

    async def _read_other_tenant(self, member: Member, random: Random) -> None:
        """Query another tenant's runs, which must be refused."""
        foreign = random.choice(sorted(member.others.values()))
        tenant = GlobalId("Tenant", foreign).encode()
        try:
            data = await self._clients.execute(member, _RUNS, tenant=tenant)
        except RefusedError as error:
            if error.code != "FORBIDDEN":
                raise
        else:
            self._witness.violation(Promise.TENANCY, f"{member.slug} read {data}")

    def _acknowledge(self, member: Member, run_id: UUID, outcome: StartOutcome) -> None:
        self._witness.acknowledged.add(Acknowledged(member.tenant_id, run_id))
        self._witness.counts["starts"] += 1
        if outcome is StartOutcome.REUSED_ACTIVE:
            self._witness.counts["duplicates"] += 1
        elif self._witness.counts["starts"] % 5 == 0:
            random = seeded(run_id.int)
            transport = random.choice(list(Transport))
            self._followers.add(
                asyncio.create_task(self._subscribers.follow_run(member, run_id, transport, random))
            )
