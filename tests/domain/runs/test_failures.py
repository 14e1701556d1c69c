"""The reason codes that clients switch on."""

from domain.runs.failures import FailureReason, declared_reasons, reason_of


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
    assert reason_of(FailureReason.WORKER_LOST).retryable
    assert reason_of(FailureReason.CHANGED_WHILE_READING).retryable
    assert not reason_of(FailureReason.INVALID_JSON).retryable
    assert not reason_of(FailureReason.OUTSIDE_SCOPE).retryable


def test_every_built_in_code_is_in_the_catalogue_with_what_to_do() -> None:
    declared = {reason.code: reason for reason in declared_reasons()}
    assert {code.value for code in FailureReason} <= declared.keys()
    assert all(reason.title and reason.action for reason in declared.values())


def test_a_code_of_another_process_is_shown_as_it_is() -> None:
    reason = reason_of("REPORT_TOO_LONG")
    assert (reason.code, reason.retryable) == ("REPORT_TOO_LONG", False)
