"""Timestamps in inputs."""

from datetime import UTC, datetime

import pytest

from gql.scalars import moment


def test_a_timestamp_is_exact_and_converted_to_utc() -> None:
    assert moment("2026-01-31T13:00:00.123456+01:00") == datetime(
        2026, 1, 31, 12, 0, 0, 123456, UTC
    )
    assert moment("2026-01-31T12:00:00Z").tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-31T12:00:00Z", "2026-01-31t12:00:00z", "2026-01-31T12:00:00.0Z"),
        *("2026-01-31T12:00:00.000000999Z", "2026-01-31T12:00:00-00:00"),
        "2026-02-01T11:59:00+23:59",
    ],
)
def test_every_form_of_rfc_3339_is_read(value: str) -> None:
    assert moment(value) == datetime(2026, 1, 31, 12, 0, 0, 0, UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("2026-01-31T12:00:00", "2026-01-31", "soon", "", 7, None, "9999-12-31T23:59:59-01:00"),
        # Forms of ISO 8601 that RFC 3339 does not have.
        *("2026-W05-6T12:00:00Z", "2026-031T12:00:00Z", "20260131T120000Z", "2026-01-31T12Z"),
        *("2026-01-31T12:00Z", "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+01"),
        *("2026-01-31T12:00:00+0100", "2026-01-31T12:00:00+01:00:30", "+002026-01-31T12:00:00Z"),
        # Other text between date and time, or around them.
        *("2026-01-31 12:00:00Z", "2026-01-31_12:00:00Z", "2026-01-31💥12:00:00Z"),
        *("2026-01-31T12:00:00Z\n", " 2026-01-31T12:00:00Z", "2026-01-31T12:00:00 Z"),
        "２０２６-01-31T12:00:00Z",
        # Impossible timestamps.
        *("2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z"),
        *("2026-12-31T23:59:60Z", "2026-01-31T12:00:00+24:00", "0000-01-31T12:00:00Z"),
    ],
)
def test_a_text_that_is_not_a_timestamp_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment(value)
