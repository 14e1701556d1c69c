"""Moments on their way in."""

from datetime import UTC, datetime

import pytest

from gql.scalars import moment


def test_a_moment_is_exact_and_becomes_utc() -> None:
    assert moment("2026-01-31T13:00:00.123456+01:00") == datetime(
        2026, 1, 31, 12, 0, 0, 123456, UTC
    )
    assert moment("2026-01-31T12:00:00Z").tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["2026-01-31T12:00:00", "2026-01-31", "soon", "", 7, None, "9999-12-31T23:59:59-01:00"],
)
def test_a_text_that_is_no_moment_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment(value)
