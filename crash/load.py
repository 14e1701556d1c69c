"""Seeded clients who start runs of every type, often the same one twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from crash.clients import Clients, RefusedError, Transport, UnansweredError
from crash.customers import Customer
from crash.producer import ITEMS, POISON, RESOURCE
from crash.seeds import seeded
from crash.subscribers import Subscribers
from crash.witness import Acknowledged, Promise, Witness
from domain.runs.models import StartOutcome
from domain.runs.starting import RunStarter
from domain.tenancy.transactions import DatabaseUnavailableError
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
    """What clients do in a round; pause it through `is_open`."""

    def __init__(
        self, clients: Clients, subscribers: Subscribers, starter: RunStarter, witness: Witness
    ) -> None:
        self._clients = clients
        self._subscribers = subscribers
        self._starter = starter
        self._witness = witness
        self._watchers: set[asyncio.Task[None]] = set()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def keep_starting(self, customer: Customer, random: Random, seconds: float) -> None:
        """Start one run after another, with up to `seconds` in between."""
        kinds: list[Callable[[Customer, Random], Awaitable[None]]] = [
            self.items,
            self.items,
            self.items,
            self._sync,
            self._drift,
            self._backup,
            self._trespass,
        ]
        while True:
            await self.is_open.wait()
            kind = random.choice(kinds)
            try:
                if random.random() < 0.3:
                    seed = random.getrandbits(32)
                    await asyncio.gather(*(kind(customer, seeded(seed)) for _ in range(3)))
                else:
                    await kind(customer, random)
            except (UnansweredError, DatabaseUnavailableError):
                self._witness.counts["starts without an answer"] += 1
            except RefusedError as error:
                self._clients.refused(customer, error)
            except SQLAlchemyError as error:
                self._witness.violation(Promise.ANSWERS, repr(error))
            await asyncio.sleep(random.uniform(0, seconds))

    async def keep_changing(self, customer: Customer, exports: Path, random: Random) -> None:
        """Change the tenant's export now and then, so that there is drift."""
        while True:
            await asyncio.sleep(random.uniform(1, 5))
            await asyncio.to_thread(change_export, exports, customer.slug)

    async def watched(self) -> None:
        """Wait until every run that somebody watches has ended for its watcher."""
        await asyncio.gather(*self._watchers)

    def stop(self) -> None:
        """Send all watchers home."""
        for watcher in self._watchers:
            watcher.cancel()

    async def items(self, customer: Customer, random: Random) -> None:
        """Start a run with effects outside, of one of few keys."""
        key = random.randrange(_KEYS)
        await self.start(
            customer,
            ITEMS,
            {
                "key": f"{customer.slug}-{key}",
                "items": 5 + key * 2,
                "pause": 0.05,
                "breaks": not key,
            },
        )

    async def poison(self, customer: Customer) -> None:
        """Start a run that kills its workers."""
        await self.start(customer, POISON, {"key": customer.slug})

    async def start(self, customer: Customer, action: str, context: dict[str, Any]) -> UUID:
        """Start a run for which there is no mutation."""
        started = await self._starter.start(
            customer.access,
            resource=RESOURCE,
            action=action,
            subject=context["key"],
            context=context,
        )
        self._acknowledge(customer, started.run.id, started.outcome)
        return started.run.id

    async def _sync(self, customer: Customer, random: Random) -> None:
        scope = SCOPE if random.random() < 0.8 else BROKEN_SCOPE
        await self._mutate(customer, _SYNC, tenantId=customer.global_id, scopeKey=scope)

    async def _drift(self, customer: Customer, _: Random) -> None:
        await self._mutate(customer, _DRIFT, tenantId=customer.global_id, scopeKey=SCOPE)

    async def _backup(self, customer: Customer, random: Random) -> None:
        found = await self._clients.ask(customer, _POLICIES, tenant=customer.global_id, scope=SCOPE)
        ids = [node["id"] for node in found["tenant"]["policies"]["nodes"]]
        if not ids:
            return
        name = f"set {random.getrandbits(64):x}"
        made = await self._clients.ask(
            customer, _CREATE_SET, input={"tenantId": customer.global_id, "name": name}
        )
        if made["createBackupSet"]["backupSet"]:
            set_id = made["createBackupSet"]["backupSet"]["id"]
            await self._mutate(customer, _ADD, backupSetId=set_id, policyIds=ids)

    async def _mutate(self, customer: Customer, mutation: str, **given: Any) -> None:
        answer = (await self._clients.ask(customer, mutation, input=given))["started"]
        if run := answer["run"]:
            run_id = GlobalId.decode(run["id"]).uuid_key()
            self._acknowledge(customer, run_id, StartOutcome(answer["outcome"]))

    async def _trespass(self, customer: Customer, random: Random) -> None:
        """Ask for another tenant's runs, which must be refused."""
        foreign = random.choice(sorted(customer.others.values()))
        tenant = GlobalId("Tenant", foreign).encode()
        try:
            found = await self._clients.ask(customer, _RUNS, tenant=tenant)
        except RefusedError as error:
            if error.code != "FORBIDDEN":
                raise
        else:
            self._witness.violation(Promise.TENANCY, f"{customer.slug} read {found}")

    def _acknowledge(self, customer: Customer, run_id: UUID, outcome: StartOutcome) -> None:
        self._witness.acknowledged.add(Acknowledged(customer.tenant_id, run_id))
        self._witness.counts["starts"] += 1
        if outcome is StartOutcome.REUSED_ACTIVE:
            self._witness.counts["duplicates"] += 1
        elif self._witness.counts["starts"] % 5 == 0:
            random = seeded(run_id.int)
            transport = random.choice(list(Transport))
            watcher = asyncio.create_task(
                self._subscribers.watch(customer, run_id, transport, random)
            )
            self._watchers.add(watcher)
