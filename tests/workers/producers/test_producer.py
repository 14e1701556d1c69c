"""A new producer needs a file and its registration; ledger and hub then support it (P5)."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import ForbiddenError
from domain.lifecycle import StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.contexts import Parameters
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import RunCounts, RunFilter, StartedRun
from domain.runs.repository import reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.runs.run_types import RunType, run_types
from domain.tenancy.roles import TenantRole
from tests.acts import complete
from tests.ledger import failures, ledger_faults, outcomes
from tests.world import LEASE, World
from workers.producers import load_producers
from workers.runner import RunRunner

REPORTS = RunFilter(
    created_from=datetime.now(UTC) - timedelta(days=1), run_types=frozenset({"report.render"})
)


class ReportRender:
    """Renders chapters; a chapter without words fails."""

    async def run(self, execution: RunExecution) -> None:
        chapters: dict[str, str] = execution.context["chapters"]
        await execution.set_total(len(chapters))
        async with execution.batch() as batch:
            for name, words in chapters.items():
                if words:
                    batch.succeeded(name)
                else:
                    batch.failed(name, ProducerError(FailureReason.INVALID_POLICY, "No words."))


class ReportParameters(Parameters):
    chapters: dict[str, str]


REPORT_RENDER = RunType(
    name="report.render",
    title="Render a report",
    description="Renders the chapters of a report.",
    least_role=TenantRole.MANAGER,
    parameters=ReportParameters,
    subject=lambda _: "weekly",
    producer="tests.workers.producers.test_producer:ReportRender",
)


@pytest.fixture(autouse=True)
def register(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(run_types()._declared, "report.render", (REPORT_RENDER, "tests"))
    producers = load_producers()
    world.runner = RunRunner(
        world.claimer, producers, lease=LEASE, run_timeout=timedelta(minutes=1)
    )


async def start(world: World, role: TenantRole) -> StartedRun:
    context = {"chapters": {"one": "Once", "two": ""}}
    return await world.cases.operations.start(await world.access(role), REPORT_RENDER, context)


async def test_its_run_ends_and_is_listed(world: World) -> None:
    run = await complete(world, await start(world, TenantRole.MANAGER))
    assert (run.run_type, run.status_bucket) == ("report.render", StatusBucket.PARTIALLY_SUCCEEDED)
    assert run.counts == RunCounts(total=2, succeeded=1, failed=1, skipped=0)
    assert {key: f.message for key, f in (await failures(world, run)).items()} == {
        "two": "No words."
    }
    reader = await world.access(TenantRole.READONLY)
    listed = await world.read(reading.page, reader, REPORTS, Keyset(10))
    assert [each.id for each in listed] == [run.id]
    counted = await world.read(facets, reader, REPORTS)
    assert counted.by_run_type == {"report.render": 1}
    assert counted.by_bucket[StatusBucket.PARTIALLY_SUCCEEDED] == 1
    assert await outcomes(world, TenantRole.MANAGER) == [
        NotificationOutcome.PARTIALLY_SUCCEEDED,
        NotificationOutcome.QUEUED,
    ]
    assert await ledger_faults(world) == []


async def test_its_least_role_is_enforced(world: World) -> None:
    with pytest.raises(ForbiddenError):
        await start(world, TenantRole.OPERATOR)
    reader = await world.access(TenantRole.READONLY)
    assert await world.read(reading.page, reader, REPORTS, Keyset(10)) == []
