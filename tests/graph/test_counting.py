"""Requests are counted by area, and windows as a test without cleverness would count them."""

import random

import pytest

from tests.graph import graph_double
from tests.graph.client import signed_in
from tests.graph.counting import LIMITS, Area, Counted, Requests
from tests.graph.faults import error


def counted(at: float, area: Area = Area.CATALOG) -> Counted:
    return Counted("GET", "beta", "/path", area, at, 200, None)


@pytest.mark.parametrize("seed", range(20))
def test_the_peak_is_the_fullest_window(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    times = [chance.choice([chance.uniform(0, 100), chance.randint(0, 100)]) for _ in range(60)]
    requests = Requests([counted(at) for at in times])
    requests.log += [counted(1, Area.SCRIPTS) for _ in range(100)]
    fullest = max(sum(start <= at < start + 20 for at in times) for start in times)
    assert requests.peak(Area.CATALOG) == fullest
    assert requests.peak(Area.GROUPS) == 0


def test_an_area_is_over_budget_above_its_limit() -> None:
    for area, limit in LIMITS.items():
        requests = Requests([counted(number / limit * 19.9, area) for number in range(limit)])
        assert requests.over_budget() == {}
        requests.log.append(counted(20.0, area))
        assert requests.over_budget() == {}
        requests.log.append(counted(19.95, area))
        assert requests.over_budget() == {area: limit + 1}
        requests.clear()
        assert requests.over_budget() == {}


async def test_every_request_counts_in_its_area() -> None:
    root = "/beta/deviceManagement"
    async with graph_double() as double, signed_in(double) as http:
        for path in (
            f"{root}/configurationPolicies",
            f"{root}/configurationPolicies/unknown/settings",
            f"{root}/deviceConfigurations",
            "/v1.0/deviceManagement/deviceCompliancePolicies",
            f"{root}/deviceEnrollmentConfigurations",
            f"{root}/deviceHealthScripts",
            f"{root}/groupPolicyConfigurations",
            f"{root}/unknown",
            "/v1.0/groups/delta",
            "/v1.0/groups",
        ):
            await http.get(path)
        double.faults.add("*", error(429), times=None)
        await http.get(f"{root}/intents")
        # Signing in is not a request to Graph.
        assert len(double.requests) == 11
        assert double.requests.by_area() == {
            Area.CATALOG: 2,
            Area.CONFIGURATION: 2,
            Area.ENROLLMENT: 1,
            Area.SCRIPTS: 1,
            Area.OTHER: 3,
            Area.GROUPS: 2,
        }
        assert double.requests.to("/groups*") == 2
        assert double.requests.peak(Area.OTHER) == 3
        assert double.requests.log[-1].status == 429
