"""An outage is logged when it begins and ends, and the waits between tries grow."""

import logging

import pytest

from domain.outages import Outage, backoff, reason

logger = logging.getLogger("tests.outages")


def test_waits_grow_to_three_seconds() -> None:
    for failures, most in ((0, 0.1), (1, 0.2), (3, 0.8), (5, 3.0), (100_000, 3.0)):
        waits = [backoff(failures) for _ in range(100)]
        assert most / 2 <= min(waits) < max(waits) <= most


def test_it_is_logged_once_when_it_begins_and_once_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage(logger, lost="Lost the queue", back="The queue is back")
    outage.recovered()
    assert (outage.is_on, outage.count, caplog.messages) == (False, 0, [])
    assert outage.failed(ConnectionError("refused 100%")) <= 0.2
    assert outage.failed(TimeoutError()) <= 0.4
    assert (outage.is_on, outage.count) == (True, 1)
    outage.recovered()
    outage.recovered()
    assert (outage.is_on, outage.count) == (False, 1)
    outage.failed()
    assert outage.count == 2
    assert caplog.messages == [
        "Lost the queue: ConnectionError: refused 100%",
        "The queue is back",
        "Lost the queue",
    ]
    assert [record.exc_info for record in caplog.records] == [None] * 3


def test_an_unexpected_error_has_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    error = ZeroDivisionError("oops")
    Outage(logger, lost="Lost it", back="Back").failed(error, with_trace=True)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_timeout_without_a_text_has_a_reason() -> None:
    assert reason(TimeoutError()) == "TimeoutError: "
