"""The places of the failpoints exist in the product, which does not know of them."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from crash.failpoints import Action, Failpoints, Trigger
from crash.faults import POINTS
from domain.runs.execution import RunClaimer, RunExecution
from domain.runs.feed import TenantFeed
from domain.runs.maintenance import RunMaintenance
from domain.runs.starting import RunStarter
from workers.broker import RunBroker

PLACES = [
    f"{owner.__name__}.{name}.{when}"
    for when in ("before", "before_commit", "after", "after_commit")
    for owner in (RunBroker, RunClaimer, RunExecution, RunStarter, TenantFeed, RunMaintenance)
    for name in vars(owner)
]
# This place is in the tests' producer.
ITEMIZED = "Itemized.*.before_batch"
PRODUCT = ("domain", "gql", "opsrun", "workers", "migrations")


@pytest.mark.parametrize(
    "point", sorted({point for points in POINTS.values() for point in points} - {ITEMIZED})
)
def test_every_point_is_a_place_in_the_product(point: str) -> None:
    assert any(fnmatch(place, point) for place in PLACES), point


def test_the_product_does_not_know_its_failpoints() -> None:
    root = Path(__file__).parents[2]
    sources = [path for room in PRODUCT for path in (root / room).rglob("*.py")]
    assert len(sources) > 100
    assert [path for path in sources if "failpoint" in path.read_text().lower()] == []
    assert [path for path in sources if re.search(r"(from|import) tests\b", path.read_text())] == []


def test_a_trigger_fires_once_after_the_passes_to_skip(
    tmp_path: Path,
) -> None:
    harness = Failpoints(tmp_path, "worker")
    first, second = Failpoints(tmp_path, "worker"), Failpoints(tmp_path, "worker")
    harness.set(Trigger("A.b.*", Action.PAUSE, skip=1))
    for failpoints, point in (
        (first, "A.c.x"),
        (first, "A.b.x"),
        (first, "A.b.y"),
        (second, "A.b.z"),
    ):
        failpoints.hit(point)
    assert [point for point, _ in harness.fired()] == ["A.b.y"]

    harness.set(Trigger("A.b.*", Action.PAUSE))
    harness.clear()
    second.hit("A.b.x")
    assert len(harness.fired()) == 1
