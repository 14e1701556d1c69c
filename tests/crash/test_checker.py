"""The checker detects errors in rows, logs and frames. Each promise is broken here once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from crash.checker import check_canaries, check_effects, check_ledger
from crash.folds import Fold
from crash.ledger import ITEMS, Ledger, open_ledger
from crash.members import Member, sign_in_members
from crash.producer import CANARY, declare_run_types
from crash.sink import ALREADY, APPLIED
from crash.witness import Acknowledged, Promise, Witness
from domain.runs.execution import RunClaimer
from domain.runs.models import OperationRun
from domain.runs.starting import RunStarter
from gql.ids import GlobalId
from opsrun.dev import demo
from opsrun.dev.embedded import EmbeddedServers
from opsrun.dev.provision import provision
from opsrun.postgres.engines import Login
from opsrun.resources import open_resources
from tests.conftest import settings_for
from tests.databases import SECRET, new_database
from tests.world import MAX_ACTIVE_RUNS
from workers.producers import load_producers
from workers.runner import RunRunner

_RUNS = 2
_NEVER_ENDED = """UPDATE opsrun.operation_run SET status = 'pending', finished_at = NULL
    WHERE id = (SELECT max(run_id::text)::uuid FROM opsrun.run_event)"""
_ITEMIZED = "UPDATE opsrun.operation_run SET resource = 'crash', action = 'items'"


@dataclass(frozen=True, slots=True)
class Sample:
    """A database in which every promise is kept, with its members and runs."""

    url: str
    members: list[Member]
    runs: list[OperationRun]

    @asynccontextmanager
    async def after(self, *tampering: str) -> AsyncIterator[Ledger]:
        """Open the ledger in a transaction, after statements that break a promise."""
        async with open_ledger(self.url) as ledger:
            await ledger.execute("BEGIN")
            for statement in tampering:
                await ledger.execute(statement)
            yield ledger


@pytest.fixture(scope="module")
async def sample(
    servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sample]:
    """A new database with two syncs that were queued together."""
    declare_run_types()
    folder = tmp_path_factory.mktemp("checker")
    database = await new_database(servers.postgres_url, "crash_checker")
    logins = await provision(database, SECRET)
    api, worker, maintenance = (
        settings_for(logins[login], servers.redis_url, folder)
        for login in (Login.API, Login.WORKER, Login.MAINTENANCE)
    )
    async with (
        open_resources(api, Login.API) as api_resources,
        open_resources(worker, Login.WORKER) as worker_resources,
        open_resources(maintenance, Login.MAINTENANCE) as maintenance_resources,
    ):
        await demo.seed(maintenance_resources.transactions, folder / "exports")
        members = await sign_in_members(api_resources)
        starter = RunStarter(
            api_resources.transactions, api_resources.wakeups, max_active_runs=MAX_ACTIVE_RUNS
        )
        claimer = RunClaimer(worker_resources.transactions, worker_resources.wakeups, owner="test")
        runner = RunRunner(
            claimer, load_producers(), lease=timedelta(minutes=1), run_timeout=timedelta(minutes=1)
        )
        runs = [
            (
                await starter.start(
                    members[0].access,
                    resource="inventory",
                    action="sync",
                    subject=scope,
                    context={"scopeKey": scope},
                )
            ).run
            for scope in (demo.SCOPE, demo.BROKEN_SCOPE)
        ]
        for run in runs:
            await runner.execute(run.run_type, run.tenant_id, run.id)
    async with open_ledger(
        superuser := database.set(drivername="postgresql").render_as_string(False)
    ) as ledger:
        await ledger.execute("DELETE FROM opsrun.outbox")
    yield Sample(superuser, members, runs)


async def test_it_accepts_a_ledger_that_keeps_every_promise(sample: Sample) -> None:
    witness = Witness({Acknowledged(run.tenant_id, run.id) for run in sample.runs})
    async with sample.after() as ledger:
        await check_ledger(ledger, witness)
        await check_canaries(ledger, [], {"canary": CANARY}, witness)
    assert not witness.violations, witness.report()
    assert witness.counts["runs"] == _RUNS


@pytest.mark.parametrize(
    ("promise", "tampering"),
    [
        (Promise.ONE_ACTIVE, "UPDATE opsrun.operation_run SET idempotency_key = 'same'"),
        (Promise.STARTS_END, _NEVER_ENDED),
        (Promise.LEGAL_STEPS, "UPDATE opsrun.run_event SET status = 'failed' WHERE version = 2"),
        (Promise.LEGAL_STEPS, "UPDATE opsrun.run_event SET status = 'aborted' WHERE version = 3"),
        (Promise.NO_GAP, "DELETE FROM opsrun.run_event WHERE version = 3"),
        (Promise.NO_GAP, "UPDATE opsrun.run_event SET seq = seq + 1000 WHERE version = 3"),
        (Promise.ONE_NOTIFICATION, "DELETE FROM opsrun.notification WHERE outcome = 'SUCCEEDED'"),
        (Promise.ONE_NOTIFICATION, "UPDATE opsrun.notification SET recipient_id = run_id"),
        (Promise.COUNTS, "DELETE FROM opsrun.run_item WHERE outcome = 'failed'"),
        (Promise.COUNTS, "UPDATE opsrun.operation_run SET total = total + 1"),
        (Promise.FACETS, "UPDATE opsrun.run_count SET runs = runs + 1 WHERE hours = 6"),
        (Promise.FACETS, "DELETE FROM opsrun.run_count WHERE grouped_by = 'run_type'"),
        (Promise.FACETS, "UPDATE opsrun.run_count SET initiator_name = 'Another'"),
        (Promise.FACETS, "UPDATE opsrun.run_count SET begins_at = begins_at - interval '1 week'"),
        (Promise.FENCED, "UPDATE opsrun.run_item SET attempt = 0"),
        (Promise.FENCED, "UPDATE opsrun.run_failure SET attempt = 0"),
        (
            Promise.OUTBOX,
            "INSERT INTO opsrun.outbox (tenant_id, run_id, run_type)"
            " SELECT tenant_id, id, run_type FROM opsrun.operation_run",
        ),
        (
            Promise.NOT_INTERNAL,
            "UPDATE opsrun.run_failure SET reason = 'INTERNAL_ERROR', item_key = ''"
            " WHERE item_key = (SELECT min(item_key) FROM opsrun.run_failure)",
        ),
    ],
)
async def test_it_detects_rows_that_break_a_promise(
    sample: Sample, promise: Promise, tampering: str
) -> None:
    witness = Witness()
    async with sample.after(tampering) as ledger:
        await check_ledger(ledger, witness)
    assert promise in witness.violations


async def test_it_detects_a_lost_start(sample: Sample) -> None:
    witness = Witness({Acknowledged(sample.members[0].tenant_id, uuid4())})
    async with sample.after() as ledger:
        await check_ledger(ledger, witness)
    assert list(witness.violations) == [Promise.STARTS_END]


async def test_it_detects_a_secret_in_a_row_or_a_log(sample: Sample, tmp_path: Path) -> None:
    witness = Witness()
    log = tmp_path / "api.log"
    log.write_text(f"fine\nlogin with {CANARY} failed\n")
    leak = f"UPDATE opsrun.run_failure SET message = 'x{CANARY}'"
    async with sample.after(leak) as ledger:
        await check_canaries(ledger, [log], {"canary": CANARY}, witness)
    row, line = witness.violations[Promise.CANARIES]
    assert "run_failure" in row
    assert "api.log: login with" in line


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda log: log[:-1], id="an effect is missing"),
        pytest.param(lambda log: [*log, log[0]], id="an effect was applied twice"),
        pytest.param(lambda log: [*log, {**log[0], "item": "x"}], id="an effect is not recorded"),
        pytest.param(
            lambda log: [{**log[0], "attempt": 2, "outcome": ALREADY}, *log],
            id="an outdated attempt was applied",
        ),
    ],
)
async def test_it_detects_effects_that_differ_from_the_items(
    sample: Sample, tmp_path: Path, tamper: Any
) -> None:
    log = tmp_path / "sink.jsonl"
    async with sample.after(_ITEMIZED) as ledger:
        effects = [
            {
                "run": str(item["run_id"]),
                "item": item["item_key"],
                "attempt": 1,
                "outcome": APPLIED,
            }
            for item in await ledger.rows(ITEMS)
        ]
        for written, expected in ((effects, []), (tamper(effects), [Promise.ONE_EFFECT])):
            witness = Witness()
            log.write_text("".join(f"{json.dumps(entry)}\n" for entry in written))
            await check_effects(ledger, log, witness)
            assert list(witness.violations) == expected


@pytest.mark.parametrize("form", ["{slug}", "{id}", "{id.hex}"])
def test_it_detects_data_of_another_tenant_in_a_frame(sample: Sample, form: str) -> None:
    own, other = sample.members
    witness = Witness()
    own_id = GlobalId("OperationRun", own.tenant_id, uuid4().hex).encode()
    own.inspect(json.dumps({"id": own_id, "url": own.slug}, separators=(",", ":")), witness)
    assert not witness.violations
    own.inspect(form.format(slug=other.slug, id=other.tenant_id), witness)
    assert list(witness.violations) == [Promise.TENANCY]


def test_it_detects_an_opaque_id_of_another_tenant(sample: Sample) -> None:
    own, other = sample.members
    witness = Witness()
    foreign_id = GlobalId("OperationRun", other.tenant_id, uuid4().hex).encode()
    own.inspect(json.dumps({"id": foreign_id}, separators=(",", ":")), witness)
    assert list(witness.violations) == [Promise.TENANCY]


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param([2], id="the first event is missing"),
        pytest.param([1, 3], id="an event is missing"),
        pytest.param([1, 2, 2], id="an event came twice"),
    ],
)
def test_it_detects_a_missing_or_duplicate_event(sample: Sample, versions: list[int]) -> None:
    witness = Witness()
    fold = Fold(sample.members[0], witness, "a subscriber")
    run_id = GlobalId("OperationRun", sample.members[0].tenant_id, uuid4().hex).encode()
    fold.take({"__typename": "FeedReset", "reason": "SUBSCRIBED", "runs": [], "cursor": "c"})
    for version in versions:
        fold.take(
            {"__typename": "OperationRunChanged", "run": _run(run_id, version), "cursor": "c"}
        )
    assert list(witness.violations) == [Promise.FOLDED]


async def test_it_detects_a_subscriber_state_that_differs_from_the_database(sample: Sample) -> None:
    member = sample.members[0]
    fold = Fold(member, Witness(), "a subscriber", is_whole=True)
    async with sample.after() as ledger:
        fold.runs = await ledger.states(member.tenant_id)
        assert not fold.differences(await ledger.states(member.tenant_id))
        missing: UUID = next(iter(fold.runs))
        del fold.runs[missing]
        (difference,) = fold.differences(await ledger.states(member.tenant_id))
    assert str(missing) in difference


def _run(run_id: str, version: int) -> dict[str, Any]:
    counts = {"total": None, "succeeded": 0, "failed": 0, "skipped": 0}
    return {"id": run_id, "version": version, "status": "running", "counts": counts}
