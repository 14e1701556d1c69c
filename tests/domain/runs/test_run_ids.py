"""Ids of runs begin with the time, and never repeat."""

import time
from uuid import RFC_4122

from domain.runs.run_ids import new_run_id


def test_ids_are_uuids_that_begin_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_run_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert {(each.version, each.variant) for each in ids} == {(7, RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in ids)


def test_ids_of_one_millisecond_differ() -> None:
    assert len({new_run_id() for _ in range(10_000)}) == 10_000
