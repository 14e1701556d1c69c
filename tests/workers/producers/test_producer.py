"""A new producer needs a file and its registration; ledger and hub then support it (P5)."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from domain.errors import ForbiddenError
from domain.lifecycle import StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.models import RunCounts, RunFilter, StartedRun
from domain.runs.repository import reading
from domain.runs.repository.facets import facets
from domain.runs.repository.reading import Keyset
from domain.tenancy.roles import LEAST_ROLE, TenantRole, start_permission
from tests.acts import complete
from tests.ledger import failures, ledger_faults, outcomes
from tests.world import LEASE, World
from workers.producers import PRODUCERS
from workers.producers.producer import Producer
from workers.runner import RunRunner

REPORTS = RunFilter(
    created_from=datetime.now(UTC) - timedelta(days=1), run_types=frozenset({"report.render"})
)


class ReportRender:
    """Renders chapters; a chapter without words fails."""

    run_type: ClassVar[str] = "report.render"

    async def run(self, execution: RunExecution) -> None:
        chapters: dict[str, str] = execution.context["chapters"]
        await execution.set_total(len(chapters))
        async with execution.batch() as batch:
            for name, words in chapters.items():
                if words:
                    batch.succeeded(name)
                else:
                    batch.failed(name, ProducerError(FailureReason.INVALID_POLICY, "No words."))


@pytest.fixture(autouse=True)
def register(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    producers: list[Producer] = [*PRODUCERS, ReportRender()]
    monkeypatch.setitem(LEAST_ROLE, start_permission("report.render"), TenantRole.MANAGER)
    world.runner = RunRunner(
        world.claimer, producers, lease=LEASE, run_timeout=timedelta(minutes=1)
    )


async def start(world: World, role: TenantRole) -> StartedRun:
    return await world.starter.start(
        await world.access(role),
        resource="report",
        action="render",
        subject="weekly",
        context={"chapters": {"one": "Once", "two": ""}},
    )


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


def test_every_producer_of_the_product_has_a_distinct_type_and_a_least_role() -> None:
    run_types = [producer.run_type for producer in PRODUCERS]
    assert len(set(run_types)) == len(run_types)
    for run_type in run_types:
        assert start_permission(run_type) in LEAST_ROLE
