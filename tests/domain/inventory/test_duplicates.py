"""Policies that share an id all fail, and each names the others."""

from collections.abc import Mapping

from domain.inventory.duplicates import duplicates
from domain.inventory.models import PolicyRecord
from domain.runs.failures import FailureReason, ProducerError


def failures_of(policy_ids: Mapping[str, str]) -> Mapping[str, ProducerError]:
    """Return the failures of policies with these ids by key."""
    return duplicates(
        PolicyRecord(key, policy_id, "A policy", "aPolicy", b"")
        for key, policy_id in policy_ids.items()
    )


def test_policies_with_the_same_id_all_fail_and_name_each_other() -> None:
    many = {f"many-{number}.json": "many" for number in range(7)}
    failures = failures_of(
        {"a.json": "twin", "copies/a.json": "twin", "other.json": "single", **many}
    )
    assert failures.keys() == {"a.json", "copies/a.json", *many}
    assert {failure.reason for failure in failures.values()} == {FailureReason.DUPLICATE_ID}
    assert failures["a.json"].message == (
        "The policy id twin is also in copies/a.json; keep one of them."
    )
    assert failures["copies/a.json"].message == (
        "The policy id twin is also in a.json; keep one of them."
    )
    assert (
        "many-1.json, many-2.json, many-3.json, many-4.json, many-5.json and 1 more"
        in failures["many-0.json"].message
    )
    assert failures["many-6.json"].names[0] == "many-0.json"


def test_a_long_name_shows_its_end() -> None:
    long = "x" * 200 + "/a.json"
    message = failures_of({long: "twin", "b.json": "twin"})["b.json"].message
    assert "x/a.json; keep" in message
    assert len(message) < 150
