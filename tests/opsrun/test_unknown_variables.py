"""A variable with a typing error is named, and everything else is left alone."""

import pytest

from opsrun.settings import PREFIX, Settings
from opsrun.unknown_variables import unknown_variables


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPSRUN_PROT", "OPSRUN_PORT"),
        ("OPSRUN_DATABSE_URL", "OPSRUN_DATABASE_URL"),
        ("OPSRUN_OIDC_ISSUER_URL", "OPSRUN_OIDC_ISSUER"),
        ("opsrun_redis_ulr", "OPSRUN_REDIS_URL"),
    ],
)
def test_a_typing_error_is_named_with_what_was_meant(name: str, meant: str) -> None:
    assert unknown_variables([name]) == [
        f"{name} is not a setting of Opsrun and has no effect. Did you mean {meant}?"
    ]


def test_one_that_is_like_no_other_is_named_alone() -> None:
    assert unknown_variables(["OPSRUN_COLOUR_OF_THE_SKY"]) == [
        "OPSRUN_COLOUR_OF_THE_SKY is not a setting of Opsrun and has no effect."
    ]


def test_settings_and_what_examples_read_are_no_typing_errors() -> None:
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    examples = ["OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT", "OPSRUN_BY_HASH"]
    others = ["PATH", "OPSRUNNER_X", "TEST_POSTGRES_URL"]
    assert unknown_variables([*settings, *examples, *others, "opsrun_port"]) == []
