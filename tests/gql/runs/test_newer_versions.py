"""During an update, clients of an older version receive the rows of a newer one."""

import logging
from enum import StrEnum

import pytest

from domain.lifecycle import RunStatus
from domain.runs.execution import RunExecution
from domain.runs.failures import ProducerError
from domain.runs.models import OperationRun, RunEventKind
from domain.runs.repository import items
from tests.client import TRANSPORTS
from tests.gql.api import RunningApi
from tests.gql.runs.watching import WATCH_RUN, WATCH_RUNS, of_tenant, queue, run_id
from tests.world import World

RUN = """query ($id: ID!) { node(id: $id) { ... on OperationRun {
  events(first: 10) { nodes { kind } }
  failures(first: 10) { nodes { reasonCode message } }
  failureGroups { reasonCode count }
} } }"""


class NewerKind(StrEnum):
    """The event kinds of a newer version."""

    PROGRESSED = "RUN_MERGED"


async def merge(execution: RunExecution, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a failed item as a worker of a newer version does."""
    with monkeypatch.context() as patch:
        statement = items._COUNT_ITEMS
        values = {
            name: NewerKind.PROGRESSED if value == RunEventKind.PROGRESSED else value
            for name, value in statement._values.items()
        }
        assert values != statement._values
        patch.setattr(statement, "_values", values)
        async with execution.batch() as batch:
            batch.failed("cake", ProducerError("EATEN", "It was eaten."))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_event_of_an_unknown_kind_reaches_subscribers(
    api: RunningApi,
    world: World,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    execution = await world.start_and_claim()
    client = api.member(world)
    of_run = {"id": run_id(world, execution)}
    with caplog.at_level(logging.WARNING):
        async with (
            client.subscribe(transport, WATCH_RUNS, of_tenant(world)) as runs,
            client.subscribe(transport, WATCH_RUN, of_run) as run,
        ):
            await runs.next()
            await run.next()
            await merge(execution, monkeypatch)
            changed, event = await runs.next(), await run.next()
            assert (changed["__typename"], changed["change"]) == ("OperationRunChanged", "UPDATED")
            assert event["kind"] == "OTHER"
            for seen in (changed, event):
                assert seen["run"]["counts"]["processed"] == 1
            await execution.finish()
            assert (await runs.next())["run"]["statusBucket"] == "FAILED"
            assert [seen["kind"] for seen in await run.rest()] == ["FINISHED"]
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_run_of_an_unknown_status_resets_the_list_and_no_subscription_ends(
    api: RunningApi, world: World, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable, newer = await queue(world), await world.start_and_claim()

    def status(run: OperationRun) -> RunStatus:
        return RunStatus("merged" if run.id == newer.run.id else run.row["status"])

    async with api.member(world).subscribe(transport, WATCH_RUNS, of_tenant(world)) as stream:
        assert len((await stream.next())["runs"]) == 2
        monkeypatch.setattr(OperationRun, "status", property(status))
        await newer.set_total(1)
        reset = await stream.next()
        assert (reset["__typename"], reset["reason"]) == ("FeedReset", "CURSOR_EXPIRED")
        assert [run["id"] for run in reset["runs"]] == [readable]
        later = await queue(world)
        assert (await stream.next())["run"]["id"] == later


async def test_the_timeline_and_the_failures_show_unknown_kinds(
    api: RunningApi, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await world.start_and_claim()
    await merge(execution, monkeypatch)
    run = (await api.member(world).data(RUN, id=run_id(world, execution)))["node"]
    kinds = [event["kind"] for event in run["events"]["nodes"]]
    assert kinds == ["QUEUED", "STARTED", "OTHER"]
    assert run["failures"]["nodes"] == [{"reasonCode": "EATEN", "message": "It was eaten."}]
    assert run["failureGroups"] == [{"reasonCode": "EATEN", "count": 1}]
