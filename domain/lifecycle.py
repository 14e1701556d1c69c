"""The life of a run: its states, their transitions and their meaning.

Both tables below are data. Code, SQL, documentation and tests read them and add no rules.

    pending ──claim──▶ running ──finish──▶ completed | completed_with_errors | failed
       │                  │
       │                  └──release / rescue──▶ pending      (a new attempt follows)
       └──abort──▶ aborted
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class RunStatus(StrEnum):
    """The status that the ledger stores (R3)."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    ABORTED = "aborted"


class StatusBucket(StrEnum):
    """The status as users see it: always computed from the stored status and the counts."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIALLY_SUCCEEDED = "PARTIALLY_SUCCEEDED"
    FAILED = "FAILED"


ACTIVE_STATUSES = (RunStatus.PENDING, RunStatus.RUNNING)

TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.ABORTED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.PENDING, RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS, RunStatus.FAILED}
    ),
    RunStatus.COMPLETED: frozenset(),
    RunStatus.COMPLETED_WITH_ERRORS: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.ABORTED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class BucketRule:
    """One row of the truth table; None means that the count does not matter."""

    status: RunStatus
    any_failed: bool | None
    any_succeeded: bool | None
    bucket: StatusBucket
    explanation: str


BUCKET_RULES: tuple[BucketRule, ...] = (
    BucketRule(RunStatus.PENDING, None, None, StatusBucket.QUEUED, "Waiting for a worker."),
    BucketRule(RunStatus.RUNNING, None, None, StatusBucket.RUNNING, "A worker is on it."),
    BucketRule(
        RunStatus.COMPLETED, False, None, StatusBucket.SUCCEEDED, "Completed; no item failed."
    ),
    BucketRule(
        RunStatus.COMPLETED,
        True,
        True,
        StatusBucket.PARTIALLY_SUCCEEDED,
        "Completed, but some items failed and some succeeded.",
    ),
    BucketRule(
        RunStatus.COMPLETED,
        True,
        False,
        StatusBucket.FAILED,
        "Completed, but items failed and none succeeded.",
    ),
    BucketRule(
        RunStatus.COMPLETED_WITH_ERRORS,
        None,
        True,
        StatusBucket.PARTIALLY_SUCCEEDED,
        "Completed with errors; some items succeeded.",
    ),
    BucketRule(
        RunStatus.COMPLETED_WITH_ERRORS,
        None,
        False,
        StatusBucket.FAILED,
        "Completed with errors; no item succeeded.",
    ),
    BucketRule(
        RunStatus.FAILED, None, None, StatusBucket.FAILED, "An error stopped the run as a whole."
    ),
    BucketRule(
        RunStatus.ABORTED, None, None, StatusBucket.FAILED, "Ended before a worker took it."
    ),
)


def bucket_rule(status: str, *, succeeded: int, failed: int) -> BucketRule:
    """Return the row of the truth table that applies (R3).

    Raises:
        ValueError: only a newer version knows the status.
    """
    return _rule(status, succeeded > 0, failed > 0)


@lru_cache(maxsize=100)
def _rule(status: str, any_succeeded: bool, any_failed: bool) -> BucketRule:
    known = RunStatus(status)
    for rule in BUCKET_RULES:
        if (
            rule.status is known
            and rule.any_failed in (None, any_failed)
            and rule.any_succeeded in (None, any_succeeded)
        ):
            return rule
    raise AssertionError(f"the truth table has no row for {status}")


def completed_status(*, failed: int) -> RunStatus:
    """Return the final status of a run whose producer finished."""
    return RunStatus.COMPLETED_WITH_ERRORS if failed else RunStatus.COMPLETED
