"""The reason codes that clients switch on."""

from domain.runs.failures import RETRYABLE, FailureReason


def test_every_published_code_remains() -> None:
    published = {
        "INVALID_JSON",
        "INVALID_POLICY",
        "UNREADABLE_FILE",
        "FILE_TOO_LARGE",
        "OUTSIDE_SCOPE",
        "DUPLICATE_ID",
        "CHANGED_WHILE_READING",
        "SCOPE_NOT_FOUND",
        "PROVIDER_UNAVAILABLE",
        "POLICY_NOT_FOUND",
        "BASELINE_UNAVAILABLE",
        "BACKUP_SET_NOT_FOUND",
        "TIMEOUT",
        "QUEUE_TIMEOUT",
        "WORKER_LOST",
        "INTERNAL_ERROR",
    }
    assert published <= {reason.value for reason in FailureReason}
    assert all(reason.name == reason.value for reason in FailureReason)


def test_a_failure_that_the_user_must_fix_is_not_retryable() -> None:
    assert FailureReason.WORKER_LOST in RETRYABLE
    assert FailureReason.CHANGED_WHILE_READING in RETRYABLE
    assert FailureReason.INVALID_JSON not in RETRYABLE
    assert FailureReason.OUTSIDE_SCOPE not in RETRYABLE
