"""Tests as the author of `greeting` writes them; `test_testing.py` runs them there."""

from pathlib import Path

import pytest

from opsrun.producers import UserInputError
from opsrun.testing import Failure, InvalidContextError, Tenant


@pytest.fixture(autouse=True)
def greetings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the producer writes to, in this process and in others."""
    monkeypatch.setenv("GREETINGS", str(tmp_path))
    return tmp_path


def test_a_run_shows_what_was_recorded(opsrun_tenant: Tenant) -> None:
    run = opsrun_tenant.run("greeting.send", {"names": ["ada", "nemo", "myself"]})
    assert (run.status, run.attempt, run.failure) == ("PARTIALLY_SUCCEEDED", 1, None)
    assert (run.counts.total, run.counts.succeeded) == (3, 1)
    assert run.failures["nemo"].reason == "GREETING_UNKNOWN"
    assert "hunter2" not in run.failures["nemo"].message
    assert run.skipped == {"myself": "I am here."}
    assert run.subject == "ada, nemo, myself"
    assert run.context == {"names": ["ada", "nemo", "myself"]}
    [link] = run.links
    assert link.url == f"https://greetings.example/{opsrun_tenant.id}"


def test_a_run_can_fail_as_a_whole(opsrun_tenant: Tenant) -> None:
    run = opsrun_tenant.run("greeting.send", {"names": []})
    assert (run.status, run.failures) == ("FAILED", {})
    assert run.failure == Failure("GREETING_UNKNOWN", "No names are left to greet.")


def test_a_started_run_waits_for_its_worker(opsrun_tenant: Tenant) -> None:
    run = opsrun_tenant.start("greeting.send", {"names": ["ada"]})
    assert (run.status, run.attempt, run.counts.total) == ("QUEUED", 0, None)
    assert run.work().status == "SUCCEEDED"


def test_a_wrong_context_is_refused(opsrun_tenant: Tenant) -> None:
    with pytest.raises(InvalidContextError) as refused:
        opsrun_tenant.start("greeting.send", {"names": [], "who": 1})
    assert [problem.path for problem in refused.value.problems] == [("who",)]


def test_a_run_type_that_is_not_installed_is_refused(opsrun_tenant: Tenant) -> None:
    with pytest.raises(UserInputError, match=r"Unknown run type 'greeting\.read'"):
        opsrun_tenant.start("greeting.read", {})


def test_the_next_attempt_finishes_what_a_killed_worker_left(
    opsrun_tenant: Tenant, greetings: Path
) -> None:
    run = opsrun_tenant.start("greeting.send", {"names": ["ada", "bob", "cleo"]}).kill(batch=2)
    assert (run.status, run.attempt, run.counts.succeeded) == ("QUEUED", 1, 1)
    run.work()
    assert (run.status, run.attempt, run.counts.succeeded) == ("SUCCEEDED", 2, 3)
    # The second greeting was sent, but not recorded.
    assert (greetings / "attempt-1").read_text() == "ada\nbob\n"
    assert (greetings / "attempt-2").read_text() == "bob\ncleo\n"


def test_a_run_without_attempts_left_fails(opsrun_tenant: Tenant) -> None:
    run = opsrun_tenant.start("greeting.send", {"names": ["ada"]}).kill().kill()
    assert run.status == "FAILED"
    assert run.failure is not None
    assert run.failure.reason == "WORKER_LOST"


def test_every_test_has_another_tenant(opsrun_tenant: Tenant) -> None:
    # Equal contexts would be the same run in one tenant.
    first = opsrun_tenant.start("greeting.send", {"names": ["ada"]})
    other = Tenant(opsrun_tenant.installation).start("greeting.send", {"names": ["ada"]})
    again = opsrun_tenant.start("greeting.send", {"names": ["ada"]})
    assert (first.id == again.id, first.id == other.id) == (True, False)


# These fail, and the report says why.


def test_undeclared(opsrun_tenant: Tenant) -> None:
    opsrun_tenant.run("greeting.send", {"names": ["stranger"]})


def test_too_few_batches(opsrun_tenant: Tenant) -> None:
    opsrun_tenant.start("greeting.send", {"names": ["ada"]}).kill(batch=2)


def test_bug(opsrun_tenant: Tenant) -> None:
    assert opsrun_tenant.run("greeting.send", {"names": ["bug"]}).status == "SUCCEEDED"
