"""Python, the stored column and the filter of the list agree on a run's bucket."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.lifecycle import (
    BUCKET_RULES,
    RunStatus,
    StatusBucket,
    bucket_rule,
    completed_status,
)
from domain.runs.models import RunFilter
from domain.runs.repository import reading
from domain.runs.repository.reading import Keyset
from tests.acts import insert_runs
from tests.world import World

R3 = [
    # status, succeeded, failed, bucket: product R3, row by row
    ("pending", 0, 0, "QUEUED"),
    ("pending", 3, 3, "QUEUED"),
    ("running", 0, 0, "RUNNING"),
    ("running", 3, 3, "RUNNING"),
    ("completed", 0, 0, "SUCCEEDED"),
    ("completed", 5, 0, "SUCCEEDED"),
    ("completed", 5, 1, "PARTIALLY_SUCCEEDED"),
    ("completed", 0, 1, "FAILED"),
    ("completed_with_errors", 5, 1, "PARTIALLY_SUCCEEDED"),
    ("completed_with_errors", 5, 0, "PARTIALLY_SUCCEEDED"),
    ("completed_with_errors", 0, 1, "FAILED"),
    ("completed_with_errors", 0, 0, "FAILED"),
    ("failed", 0, 0, "FAILED"),
    ("failed", 5, 0, "FAILED"),
    ("aborted", 0, 0, "FAILED"),
    ("aborted", 5, 0, "FAILED"),
]


@pytest.mark.parametrize(("status", "succeeded", "failed", "bucket"), R3)
def test_every_bucket_is_that_of_the_product(
    status: str, succeeded: int, failed: int, bucket: str
) -> None:
    rule = bucket_rule(RunStatus(status), succeeded=succeeded, failed=failed)
    assert rule.bucket == bucket
    assert rule.explanation


@pytest.mark.parametrize("status", RunStatus)
@pytest.mark.parametrize("succeeded", [0, 1])
@pytest.mark.parametrize("failed", [0, 1])
def test_exactly_one_rule_decides(status: RunStatus, succeeded: int, failed: int) -> None:
    deciding = [
        rule
        for rule in BUCKET_RULES
        if rule.status is status
        and rule.any_failed in (None, bool(failed))
        and rule.any_succeeded in (None, bool(succeeded))
    ]
    assert len(deciding) == 1


def test_the_status_of_a_completed_run_shows_whether_items_failed() -> None:
    assert completed_status(failed=0) is RunStatus.COMPLETED
    assert completed_status(failed=1) is RunStatus.COMPLETED_WITH_ERRORS


_COUNT = st.one_of(st.just(0), st.just(1), st.integers(0, 700_000_000))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    counts=st.lists(st.tuples(_COUNT, _COUNT, _COUNT), min_size=1, max_size=10),
    buckets=st.frozensets(st.sampled_from(StatusBucket), min_size=1),
)
async def test_python_column_and_filter_agree(
    world: World, counts: list[tuple[int, int, int]], buckets: frozenset[StatusBucket]
) -> None:
    cases = [(status, *some) for status in RunStatus for some in counts]
    since = datetime.now(UTC)
    run_ids = await insert_runs(
        world,
        [
            {"status": status, "succeeded": succeeded, "failed": failed, "skipped": skipped}
            for status, succeeded, failed, skipped in cases
        ],
    )
    expected = {
        run_id: bucket_rule(status, succeeded=succeeded, failed=failed).bucket
        for run_id, (status, succeeded, failed, _) in zip(run_ids, cases, strict=True)
    }
    stored = await world.rows(
        "SELECT id, status_bucket FROM opsrun.operation_run WHERE id = ANY(:ids)", ids=run_ids
    )
    assert dict(map(tuple, stored)) == expected
    chosen = await world.read(
        reading.page,
        await world.access(),
        RunFilter(since, status_buckets=buckets),
        Keyset(len(cases) + 1),
    )
    assert {run.id: run.status_bucket for run in chosen} == {
        run_id: bucket for run_id, bucket in expected.items() if bucket in buckets
    }
