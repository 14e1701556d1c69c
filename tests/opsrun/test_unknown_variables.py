"""Misspelled variables cause a warning; other variables do not."""

import pytest

from opsrun.settings import PREFIX, Settings
from opsrun.unknown_variables import unknown_variables


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("OPSRUN_PROT", "OPSRUN_PORT"),
        ("OPSRUN_DATABSE_URL", "OPSRUN_DATABASE_URL"),
        ("OPSRUN_OIDC_ISSUER_URL", "OPSRUN_OIDC_ISSUER"),
        ("opsrun_redis_ulr", "OPSRUN_REDIS_URL"),
    ],
)
def test_a_typo_is_reported_with_the_closest_setting(name: str, setting: str) -> None:
    assert unknown_variables([name]) == [
        f"{name} is not a setting of Opsrun and has no effect. Did you mean {setting}?"
    ]


def test_a_variable_unlike_any_setting_is_reported_alone() -> None:
    assert unknown_variables(["OPSRUN_COLOUR_OF_THE_SKY"]) == [
        "OPSRUN_COLOUR_OF_THE_SKY is not a setting of Opsrun and has no effect."
    ]


def test_settings_and_variables_of_the_examples_are_not_typos() -> None:
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    examples = ["OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT", "OPSRUN_BY_HASH"]
    others = ["PATH", "OPSRUNNER_X", "TEST_POSTGRES_URL"]
    assert unknown_variables([*settings, *examples, *others, "opsrun_port"]) == []
