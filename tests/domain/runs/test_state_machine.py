"""Random operations of two workers, alone and racing, leave the ledger as a model predicts.

The model is a few dictionaries that follow R3 to R7 of the product. After every step, the
database must equal it. Two operations that race must have the result of one of their two orders.
Chance decides a race, so what Hypothesis draws never depends on the model.
"""

import asyncio
from collections.abc import Coroutine
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from domain.runs.execution import LeaseLostError, RunClaimer, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.maintenance import RunMaintenance
from domain.runs.models import StartOutcome
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from tests.acts import expire_lease, rescue
from tests.conftest import settings_for
from tests.world import LEASE, World

KEYS = ("alpha", "beta")
ITEMS = ("one", "two", "three")
MAX_ATTEMPTS = 3


@dataclass
class ModelRun:
    """The expected state of one run."""

    key: str
    status: str = "pending"
    attempt: int = 0
    attempts_used: int = 0
    version: int = 1
    expired: bool = False
    items: dict[str, str] = field(default_factory=dict)
    notified: list[str] = field(default_factory=lambda: ["QUEUED"])

    @property
    def active(self) -> bool:
        return self.status in ("pending", "running")

    def holds(self, attempt: int) -> bool:
        return self.status == "running" and self.attempt == attempt

    def end(self, status: str) -> None:
        self.status, self.version, self.expired = status, self.version + 1, False
        succeeded = "succeeded" in self.items.values()
        bucket = {"completed": "SUCCEEDED", "failed": "FAILED"}.get(
            status, "PARTIALLY_SUCCEEDED" if succeeded else "FAILED"
        )
        self.notified.append(bucket)


Runs = dict[UUID, ModelRun]


@dataclass(frozen=True)
class Operation:
    """One operation on a run, for the model and for the ledger."""

    name: str
    run_id: UUID
    attempt: int = 0
    item: tuple[str, str] = ("", "")

    def by_model(self, runs: Runs) -> str:
        """Change the model, and return the expected answer."""
        run = runs[self.run_id]
        if self.name == "claim":
            if run.status != "pending":
                return "nothing"
            run.status, run.attempt = "running", run.attempt + 1
            run.attempts_used += 1
            run.version, run.expired = run.version + 1, False
            return f"attempt {run.attempt}"
        if self.name == "rescue":
            if not (run.status == "running" and run.expired):
                return "nothing"
            if run.attempts_used < MAX_ATTEMPTS:
                run.status, run.version = "pending", run.version + 1
            else:
                run.end("failed")
            run.expired = False
            return "rescued"
        if not run.holds(self.attempt):
            return "lost"
        if self.name == "heartbeat":
            run.expired = False
        elif self.name == "record":
            key, outcome = self.item
            if key not in run.items:
                run.items[key], run.version = outcome, run.version + 1
        elif self.name == "finish":
            failed = "failed" in run.items.values()
            run.end("completed_with_errors" if failed else "completed")
        elif self.name == "fail":
            run.end("failed")
        elif self.name == "release":
            run.status, run.version = "pending", run.version + 1
            run.attempts_used -= 1
            run.expired = False
        return "done"


class Ledger:
    """The ledger in the database, with two workers."""

    def __init__(
        self, world: World, claimers: list[RunClaimer], maintenance: RunMaintenance
    ) -> None:
        self.world = world
        self.claimers = claimers
        self.maintenance = maintenance
        self.executions: dict[tuple[UUID, int], RunExecution] = {}

    async def start(self, key: str) -> tuple[UUID, bool]:
        started = await self.world.start({"scopeKey": key})
        return started.run.id, started.outcome is StartOutcome.CREATED

    async def perform(self, operation: Operation, worker: int) -> str:
        """Perform the operation, and return the answer."""
        if operation.name == "claim":
            claimer = self.claimers[worker]
            execution = await claimer.claim(self.world.tenant_id, operation.run_id, LEASE)
            if execution is None:
                return "nothing"
            self.executions[operation.run_id, execution.lease.attempt] = execution
            return f"attempt {execution.lease.attempt}"
        if operation.name == "rescue":
            return "rescued" if await self.maintenance.rescue(grace=timedelta(0)) else "nothing"
        execution = self.executions.get((operation.run_id, operation.attempt))
        if execution is None:
            return "lost"
        try:
            await self._hold(execution, operation)
        except LeaseLostError:
            return "lost"
        return "done"

    async def _hold(self, execution: RunExecution, operation: Operation) -> None:
        match operation.name:
            case "heartbeat":
                await execution.heartbeat(LEASE)
            case "finish":
                await execution.finish()
            case "fail":
                await execution.fail(FailureReason.INTERNAL_ERROR, "Planned.")
            case "release":
                await execution.release(timedelta(0))
            case "record":
                key, outcome = operation.item
                async with execution.batch() as batch:
                    if outcome == "failed":
                        batch.failed(key, ProducerError(FailureReason.INVALID_JSON, "no"))
                    elif outcome == "skipped":
                        batch.skipped(key, "Nothing to do.")
                    else:
                        batch.succeeded(key)

    async def skip_delays(self) -> None:
        """End the delay before every next attempt."""
        await self.world.write(
            "UPDATE opsrun.operation_run SET not_before = created_at WHERE tenant_id = :tenant_id"
        )

    async def protect_other_runs(self) -> None:
        """Extend the leases that other tests left, because a rescue takes runs of all tenants."""
        await rescue(self.world)
        await self.world.write(
            "UPDATE opsrun.operation_run SET lease_expires_at = clock_timestamp() + interval '1 h'"
            " WHERE status = 'running'"
        )

    async def state(self) -> Runs:
        """Read the state that the model describes."""
        rows = await self.world.rows(
            "SELECT id, context->>'scopeKey' AS key, status, attempt, version,"
            " attempt - (max_attempts - 3) AS attempts_used,"
            " coalesce(lease_expires_at < clock_timestamp(), false) AS expired,"
            " (SELECT coalesce(jsonb_object_agg(item_key, outcome), '{}') FROM opsrun.run_item i"
            "   WHERE i.tenant_id = r.tenant_id AND i.run_id = r.id) AS outcomes,"
            " (SELECT jsonb_agg(outcome ORDER BY seq) FROM opsrun.notification n"
            "   WHERE n.tenant_id = r.tenant_id AND n.run_id = r.id) AS notified,"
            " (SELECT count(*) FROM opsrun.run_event e"
            "   WHERE e.tenant_id = r.tenant_id AND e.run_id = r.id) AS events,"
            " succeeded, failed, skipped"
            " FROM opsrun.operation_run r WHERE tenant_id = :tenant_id"
        )
        for row in rows:
            outcomes = list(row.outcomes.values())
            counted = [outcomes.count(o) for o in ("succeeded", "failed", "skipped")]
            assert [row.succeeded, row.failed, row.skipped] == counted
            assert row.events == row.version
        return {
            row.id: ModelRun(
                row.key,
                row.status,
                row.attempt,
                row.attempts_used,
                row.version,
                row.expired,
                row.outcomes,
                row.notified,
            )
            for row in rows
        }

    async def feed(self) -> tuple[int, list[int]]:
        (counter,) = await self.world.rows(
            "SELECT seq FROM opsrun.tenant_feed WHERE tenant_id = :tenant_id"
        )
        events = await self.world.rows(
            "SELECT seq FROM opsrun.run_event WHERE tenant_id = :tenant_id ORDER BY seq"
        )
        return counter.seq, [event.seq for event in events]


class LedgerMachine(RuleBasedStateMachine):
    """The rules that Hypothesis combines; created for every sequence of steps."""

    runs_started = Bundle("runs_started")
    held = Bundle("held")

    def __init__(self, runner: asyncio.Runner, new_ledger: Any) -> None:
        super().__init__()
        self._runner = runner
        self._new_ledger = new_ledger
        self.model: Runs = {}

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    @initialize()
    def open_tenant(self) -> None:
        self.ledger: Ledger = self.do(self._new_ledger())
        self.do(self.ledger.protect_other_runs())

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.do(rescue(self.ledger.world))

    @rule(target=runs_started, key=st.sampled_from(KEYS))
    def start(self, key: str) -> UUID:
        run_id, created = self.do(self.ledger.start(key))
        active = [known for known, run in self.model.items() if run.key == key and run.active]
        assert created == (not active)
        assert created or [run_id] == active
        self.model.setdefault(run_id, ModelRun(key))
        return run_id  # type: ignore[no-any-return]

    @rule(target=held, run_id=runs_started, worker=st.sampled_from((0, 1)))
    def claim(self, run_id: UUID, worker: int) -> Any:
        operation = Operation("claim", run_id)
        self._both(operation, worker)
        return run_id, self.model[run_id].attempt

    @rule(run_id=runs_started)
    def expire_lease(self, run_id: UUID) -> None:
        if self.model[run_id].status == "running":
            self.model[run_id].expired = True
            self.do(expire_lease(self.ledger.world, run_id))

    @rule()
    def rescue(self) -> None:
        while expired := [run_id for run_id, run in self.model.items() if run.expired]:
            before = deepcopy(self.model)
            assert self.do(self.ledger.perform(Operation("rescue", expired[0]), 0)) == "rescued"
            state = self.do(self._settled())
            changed = [run_id for run_id in expired if state[run_id] != before[run_id]]
            assert len(changed) == 1
            Operation("rescue", changed[0]).by_model(self.model)

    @rule(
        lease=held,
        name=st.sampled_from(("heartbeat", "record", "record", "record", "fail")),
        item=st.tuples(st.sampled_from(ITEMS), st.sampled_from(("succeeded", "failed", "skipped"))),
    )
    def hold(self, lease: tuple[UUID, int], name: str, item: tuple[str, str]) -> None:
        self._both(Operation(name, *lease, item), 0)

    @rule(lease=consumes(held), name=st.sampled_from(("finish", "release")))
    def give_up_lease(self, lease: tuple[UUID, int], name: str) -> None:
        self._both(Operation(name, *lease), 0)

    @rule(run_id=runs_started, target=held)
    def two_claims_race(self, run_id: UUID) -> Any:
        self._race(Operation("claim", run_id), Operation("claim", run_id))
        return run_id, self.model[run_id].attempt

    @rule(
        lease=held,
        names=st.permutations(("finish", "fail", "release", "record", "heartbeat")),
        item=st.tuples(st.sampled_from(ITEMS), st.sampled_from(("succeeded", "failed"))),
    )
    def two_holders_race(
        self, lease: tuple[UUID, int], names: list[str], item: tuple[str, str]
    ) -> None:
        self._race(Operation(names[0], *lease, item), Operation(names[1], *lease, item))

    @rule(lease=held, name=st.sampled_from(("finish", "record", "heartbeat")))
    def holder_races_the_rescuer(self, lease: tuple[UUID, int], name: str) -> None:
        if any(run.expired for run in self.model.values()):
            self.rescue()
        if self.model[lease[0]].holds(lease[1]):
            self.expire_lease(lease[0])
            self._race(Operation(name, *lease, ("one", "succeeded")), Operation("rescue", lease[0]))

    @invariant()
    def the_database_equals_the_model(self) -> None:
        if hasattr(self, "ledger"):
            assert self.do(self._settled()) == self.model

    @invariant()
    def the_feed_has_no_gap(self) -> None:
        if hasattr(self, "ledger"):
            counter, events = self.do(self.ledger.feed())
            assert events == list(range(1, counter + 1))

    async def _settled(self) -> Runs:
        await self.ledger.skip_delays()
        return await self.ledger.state()

    def _both(self, operation: Operation, worker: int) -> str:
        saw: str = self.do(self.ledger.perform(operation, worker))
        assert saw == operation.by_model(self.model)
        return saw

    def _race(self, one: Operation, other: Operation) -> None:
        async def at_once() -> list[str]:
            both = (self.ledger.perform(one, 0), self.ledger.perform(other, 1))
            return list(await asyncio.gather(*both))

        saw = tuple(self.do(at_once()))
        state = self.do(self._settled())
        possible = []
        for first, second in ((one, other), (other, one)):
            serial = deepcopy(self.model)
            answers = {id(first): first.by_model(serial)}
            answers[id(second)] = second.by_model(serial)
            possible.append(((answers[id(one)], answers[id(other)]), serial))
        if other.name == "rescue":
            # A rescue skips a locked row, and a later one takes it.
            alone = deepcopy(self.model)
            possible.append(((one.by_model(alone), "nothing"), alone))
        assert (saw, state) in possible
        self.model = state


def test_the_ledger_behaves_like_its_model(
    servers: EmbeddedServers, logins: dict[Login, str], tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        contexts = {
            login: open_resources(settings_for(url, servers.redis_url, tmp_path), login)
            for login, url in logins.items()
        }
        resources = {login: runner.run(context.__aenter__()) for login, context in contexts.items()}
        worker, maintenance = resources[Login.WORKER], resources[Login.MAINTENANCE]

        async def new_ledger() -> Ledger:
            world = await World.create(resources, tmp_path)
            return Ledger(
                world,
                [RunClaimer(worker.transactions, worker.wakeups, owner=o) for o in ("a", "b")],
                RunMaintenance(maintenance.transactions, maintenance.wakeups),
            )

        try:
            run_state_machine_as_test(
                lambda: LedgerMachine(runner, new_ledger),  # type: ignore[arg-type]
                settings=settings(
                    max_examples=15,
                    stateful_step_count=20,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for context in contexts.values():
                runner.run(context.__aexit__(None, None, None))
