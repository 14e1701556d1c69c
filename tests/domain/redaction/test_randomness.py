"""Random strings are a matter of odds, so most tests count how many are missed."""

import base64
import string
from collections.abc import Callable
from random import Random
from urllib.parse import quote

import pytest

from domain.redaction.randomness import random_spans
from tests.domain.redaction.secrets_corpus import BASE62, BASE64URL, chars, guid, seeded

UPPER32 = string.ascii_uppercase + "234567"


def random_parts(text: str) -> list[str]:
    return [text[start:end] for start, end in random_spans(text)]


@pytest.mark.parametrize(
    "make",
    [
        lambda rnd: chars(rnd, BASE62, 24),
        lambda rnd: chars(rnd, BASE62, 40),
        lambda rnd: chars(rnd, BASE64URL, 43),
        lambda rnd: chars(rnd, UPPER32, 32),
        lambda rnd: base64.b64encode(rnd.randbytes(32)).decode(),
        lambda rnd: base64.b64encode(rnd.randbytes(64)).decode(),
        lambda rnd: rnd.randbytes(16).hex(),
        lambda rnd: rnd.randbytes(32).hex().upper(),
    ],
    ids=["base62", "long base62", "base64url", "base32", "base64", "long base64", "hex", "HEX"],
)
def test_random_strings_are_hidden(make: Callable[[Random], str]) -> None:
    rnd = seeded(9)
    missed = [key for key in (make(rnd) for _ in range(500)) if not random_parts(key)]

    assert len(missed) <= 5


@pytest.mark.parametrize(
    ("make", "at_most"),
    [
        (lambda rnd: base64.urlsafe_b64encode(rnd.randbytes(16)).decode().rstrip("="), 30),
        (lambda rnd: chars(rnd, string.ascii_lowercase + string.digits, 32), 10),
        (lambda rnd: quote(base64.b64encode(rnd.randbytes(30)), safe=""), 10),
    ],
    ids=["22 characters", "lower case and digits", "escaped base64"],
)
def test_few_shorter_or_tamer_strings_are_missed(
    make: Callable[[Random], str], at_most: int
) -> None:
    rnd = seeded(19)
    missed = [key for key in (make(rnd) for _ in range(500)) if not random_parts(key)]

    assert len(missed) <= at_most


def test_a_key_after_a_path_is_hidden_alone() -> None:
    key = chars(seeded(10), BASE62, 40)

    assert random_parts(f"/srv/app/tokens/{key}/items") == [key]


def test_padding_belongs_to_the_key() -> None:
    key = base64.b64encode(seeded(11).randbytes(31)).decode()

    assert random_parts(f"got {key} there") == [key]


def test_two_keys_in_one_text_are_hidden() -> None:
    keys = [chars(seeded(seed), BASE62, 32) for seed in (12, 13)]

    assert random_parts(" and ".join(keys)) == keys


@pytest.mark.parametrize(
    "text",
    [
        guid(seeded(14)),
        f"inventory/{guid(seeded(15))}/{guid(seeded(16))}",
        "deviceManagementConfigurationPolicyAssignmentCollection",
        "device_vendor_msft_policy_config_defender_attacksurfacereductionrules",
        "/usr/lib/python3.11/site-packages/sqlalchemy/dialects/postgresql/asyncpg",
        "x86_64-manylinux_2_17-cp311-cp311",
        "00000000000000000000000000000000",
        "1234567890123456789012345678901234567890",
        "deadbeefdeadbeefdeadbee",
        "=" * 40,
        "%2Fsubscriptions%2FresourceGroups%2FDeviceConfiguration2%2Fassignments",
        "windows10endpointprotection24h2baseline",
    ],
)
def test_names_paths_and_numbers_are_not_random(text: str) -> None:
    assert random_parts(text) == []


@pytest.mark.parametrize(
    "label", ["sha256:", "commit ", "run ", "error_id=", "trace_id: ", '"id": "']
)
def test_a_labelled_hash_or_id_stays(label: str) -> None:
    assert random_parts(label + seeded(17).randbytes(20).hex()) == []


@pytest.mark.parametrize("label", ["got ", "key=", "InvalidTokenId): ", "sent "])
def test_other_labels_do_not_excuse_a_key(label: str) -> None:
    assert len(random_parts(label + seeded(18).randbytes(20).hex())) == 1


def test_a_very_long_run_is_hidden_whole() -> None:
    assert random_parts("a" * 2000) == ["a" * 2000]
