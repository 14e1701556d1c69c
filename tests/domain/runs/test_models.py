"""A run's bucket, progress and times, and the filter of the list."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.models import OperationRun, RunCounts, RunFilter
from tests.runs import NOON, changed, queued_run

MINUTE = timedelta(minutes=1)
QUEUED = queued_run(observed_at=NOON + 2 * MINUTE)
RUNNING = changed(
    QUEUED,
    status=RunStatus.RUNNING,
    total=10,
    succeeded=2,
    failed=1,
    skipped=1,
    started_at=NOON + MINUTE,
    observed_at=NOON + 4 * MINUTE,
)
ENDED = changed(
    RUNNING,
    status=RunStatus.COMPLETED_WITH_ERRORS,
    total=4,
    finished_at=NOON + 3 * MINUTE,
)


def test_the_type_is_made_of_resource_and_action() -> None:
    assert QUEUED.run_type == "inventory.sync"


@pytest.mark.parametrize(
    ("run", "bucket", "progress", "queued", "running", "terminal"),
    [
        (QUEUED, StatusBucket.QUEUED, None, 120, None, False),
        (RUNNING, StatusBucket.RUNNING, 0.4, 60, 180, False),
        (ENDED, StatusBucket.PARTIALLY_SUCCEEDED, 1.0, 60, 120, True),
        (
            changed(QUEUED, status=RunStatus.ABORTED, finished_at=NOON + MINUTE),
            StatusBucket.FAILED,
            None,
            60,
            None,
            True,
        ),
        (
            changed(RUNNING, total=0, succeeded=0, failed=0, skipped=0),
            StatusBucket.RUNNING,
            1.0,
            60,
            180,
            False,
        ),
    ],
    ids=["queued", "running", "ended", "never started", "no items"],
)
def test_progress_and_times(
    run: OperationRun,
    bucket: StatusBucket,
    progress: float | None,
    queued: float,
    running: float | None,
    terminal: bool,
) -> None:
    assert run.status_bucket is bucket
    assert run.progress == progress
    assert run.queued_seconds == queued
    assert run.running_seconds == running
    assert run.is_terminal is terminal


def test_no_time_is_negative() -> None:
    run = changed(QUEUED, started_at=NOON - MINUTE, finished_at=NOON - 2 * MINUTE)
    assert run.queued_seconds == run.running_seconds == 0


WIDE = RunFilter(NOON - MINUTE)


@pytest.mark.parametrize(
    ("run_filter", "bucket", "matches"),
    [
        (WIDE, StatusBucket.QUEUED, True),
        (WIDE, None, False),
        (replace(WIDE, run_types=frozenset({"drift.generate"})), StatusBucket.QUEUED, False),
        (replace(WIDE, initiator_ids=frozenset({UUID(int=4)})), StatusBucket.QUEUED, False),
        (replace(WIDE, status_buckets=frozenset({StatusBucket.FAILED})), StatusBucket.FAILED, True),
        (replace(WIDE, created_from=NOON), StatusBucket.QUEUED, True),
        (replace(WIDE, created_from=NOON + MINUTE), StatusBucket.QUEUED, False),
        (replace(WIDE, created_until=NOON), StatusBucket.QUEUED, False),
        (replace(WIDE, created_until=NOON + MINUTE), StatusBucket.QUEUED, True),
    ],
)
def test_a_filter_matches_the_run_in_the_bucket_of_the_event(
    run_filter: RunFilter, bucket: StatusBucket | None, matches: bool
) -> None:
    assert run_filter.matches(QUEUED, bucket) is matches


def test_counts_add_up() -> None:
    counts = RunCounts(None, 1, 2, 3)
    assert counts.processed == 6
