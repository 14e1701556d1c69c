"""Each fault of Graph leads to a complete snapshot, or to a failure that says what to do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts
from domain.tenancy.providers import GraphScopes
from tests.acts import sync
from tests.graph import Double
from tests.graph import policies as double_policies
from tests.graph.calls import Reply
from tests.graph.exports import Document
from tests.graph.faults import (
    Cut,
    Fault,
    ForeignLink,
    NoAssignments,
    OtherOrder,
    RepeatingLink,
    Slow,
    error,
    throttled,
)
from tests.graph.pages import page
from tests.graph.policies import _Reading
from tests.graph.samples import sample_policies
from tests.graph.test_policies import catalog_policy
from tests.ledger import failures, only_failure, policies, skipped
from tests.workers.providers.graph.tenants import emulated, read_from_graph
from tests.world import World
from workers.providers.graph.policy_types import POLICY_TYPES
from workers.providers.graph.provider import ALL

ROOT = "/deviceManagement"
CATALOG = f"{ROOT}/configurationPolicies"
GROUP_POLICIES = f"{ROOT}/groupPolicyConfigurations"
ASSIGNMENTS = [{"id": "a1", "target": {"groupId": "g1"}}, {"id": "a2", "target": {"groupId": "g2"}}]
GOOD = 4


@pytest.fixture
async def double(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Double]:
    """A tenant with three catalog policies, of which `b` has two pages, and a group policy."""
    catalog = [
        catalog_policy(name, settings, assignments=ASSIGNMENTS)
        for name, settings in {"a": 3, "b": 30, "c": 3}.items()
    ]
    group_policy = {
        **sample_policies(8)["groupPolicyConfigurations"][0],
        "id": "g",
        "definitionValues": [
            {
                "id": "v",
                "enabled": True,
                "definition": {"id": "d"},
                "presentationValues": [{"id": "p", "value": "1", "presentation": {"id": "q"}}],
            }
        ],
    }
    collections = {"configurationPolicies": catalog, "groupPolicyConfigurations": [group_policy]}
    async with emulated(monkeypatch, collections, page_size=2) as double:
        await read_from_graph(world, double)
        yield double


async def complete_ids(world: World, run: OperationRun) -> set[str]:
    """Return the ids of the policies that a sync without failures stored."""
    assert (run.status_bucket, await failures(world, run)) == (StatusBucket.SUCCEEDED, {})
    return {policy.policy_id for policy in await policies(world, ALL)}


@pytest.mark.parametrize(
    "fault",
    [
        throttled(0),
        throttled(1),
        throttled(None),
        throttled("soon"),
        throttled(1, as_date=True),
        throttled(0, status=503),
        error(401),
        error(500),
        error(502),
        error(504),
        Cut(),
        Cut("within"),
        Slow(0.2),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [CATALOG, "/$batch", f"{CATALOG}/b/settings"])
async def test_a_fault_that_passes_leaves_no_trace(
    world: World, double: Double, path: str, fault: Fault
) -> None:
    switch = double.faults.add(path, fault)
    run = await sync(world, scope_key=ALL)
    assert switch.hits == 1
    assert await complete_ids(world, run) == {"a", "b", "c", "g"}


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize(
    ("path", "key"),
    [
        (f"{CATALOG}/b/settings", "configurationPolicies/b"),
        (f"{GROUP_POLICIES}/g/definitionValues", "groupPolicyConfigurations/g"),
        (
            f"{GROUP_POLICIES}/g/definitionValues/v/presentationValues",
            "groupPolicyConfigurations/g",
        ),
    ],
)
async def test_a_policy_whose_detail_fails_is_one_failed_item(
    world: World, double: Double, path: str, key: str, status: int
) -> None:
    double.faults.add(path, error(status), times=None)
    run = await sync(world, scope_key=ALL)
    assert run.counts == RunCounts(total=GOOD, succeeded=GOOD - 1, failed=1, skipped=0)
    failure = await only_failure(world, run)
    assert failure.item_key == key
    assert str(status) in failure.message
    reasons = {
        403: FailureReason.PROVIDER_UNAUTHORIZED,
        404: FailureReason.CHANGED_WHILE_READING,
        500: FailureReason.PROVIDER_UNAVAILABLE,
    }
    assert failure.reason == reasons[status]


async def test_the_second_page_of_settings_fails_the_policy_too(
    world: World, double: Double
) -> None:
    double.faults.add(f"{CATALOG}/b/settings", error(403), times=None, after=1)
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert (failure.item_key, run.counts.succeeded) == ("configurationPolicies/b", GOOD - 1)


@pytest.mark.parametrize("fault", [ForeignLink(), RepeatingLink()], ids=str)
async def test_a_link_that_leads_elsewhere_or_nowhere_ends_the_run(
    world: World, double: Double, fault: Fault
) -> None:
    double.faults.add(CATALOG, fault, times=None)
    run = await sync(world, scope_key=ALL)
    assert run.status_bucket is StatusBucket.FAILED
    assert await policies(world, ALL) == []


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("after", [0, 2])
async def test_a_refused_list_ends_the_run_and_names_the_permission(
    world: World, double: Double, status: int, after: int
) -> None:
    double.faults.add(f"{ROOT}/configurationPolicies", error(status), times=None, after=after)
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.PROVIDER_UNAUTHORIZED)
    assert "DeviceManagementConfiguration.Read.All" in failure.message
    assert "`configurationPolicies`" in failure.message
    assert await policies(world, ALL) == []


async def test_a_missing_permission_names_itself(world: World, double: Double) -> None:
    permissions = {row.permission for row in POLICY_TYPES.values()}
    double.tokens.roles = frozenset(permissions - {"DeviceManagementServiceConfig.Read.All"})
    failure = await only_failure(world, await sync(world, scope_key=ALL))
    assert failure.reason == FailureReason.PROVIDER_UNAUTHORIZED
    assert "DeviceManagementServiceConfig.Read.All" in failure.message


async def test_the_permissions_of_the_rows_are_enough(world: World, double: Double) -> None:
    double.tokens.roles = frozenset(row.permission for row in POLICY_TYPES.values())
    assert await complete_ids(world, await sync(world, scope_key=ALL)) == {"a", "b", "c", "g"}


async def test_a_list_without_its_licence_is_a_skipped_item(world: World, double: Double) -> None:
    double.faults.add(f"{ROOT}/windowsDriverUpdateProfiles", error(403), times=None)
    run = await sync(world, scope_key=ALL)
    assert await complete_ids(world, run) == {"a", "b", "c", "g"}
    (key, why), *others = (await skipped(world, run)).items()
    assert (key, others) == ("windowsDriverUpdateProfiles", [])
    assert why is not None
    assert "licence" in why


@pytest.mark.parametrize(("status", "after"), [(400, 0), (403, 1)])
async def test_a_licensed_list_that_is_wrong_or_ends_early_fails_the_run(
    world: World, double: Double, status: int, after: int
) -> None:
    profiles = [{"id": name, "displayName": name} for name in "wxyz"]
    double.policies.put("windowsDriverUpdateProfiles", profiles)
    path = f"{ROOT}/windowsDriverUpdateProfiles"
    double.faults.add(path, error(status), times=None, after=after)
    failure = await only_failure(world, await sync(world, scope_key=ALL))
    assert failure.reason == FailureReason.PROVIDER_UNAUTHORIZED


async def test_withdrawn_consent_is_a_typed_failure(world: World, double: Double) -> None:
    double.tokens.consent = False
    failure = await only_failure(world, await sync(world, scope_key=ALL))
    assert (failure.item_key, failure.reason) == (None, FailureReason.PROVIDER_UNAUTHORIZED)


async def test_graph_away_fails_the_run_and_a_retry_may_help(world: World, double: Double) -> None:
    double.faults.add(f"{ROOT}/*", error(503), times=None)
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.PROVIDER_UNAVAILABLE)
    double.faults.clear()
    assert await complete_ids(world, await sync(world, scope_key=ALL)) == {"a", "b", "c", "g"}


async def test_lost_assignments_are_read_again(world: World, double: Double) -> None:
    switch = double.faults.add(f"{CATALOG}/a/assignments", NoAssignments())
    run = await sync(world, scope_key=ALL)
    assert (switch.hits, await failures(world, run)) == (1, {})
    assert double.requests.to(f"{CATALOG}/a/assignments") == 1
    double.faults.add(f"{CATALOG}/b/assignments", OtherOrder())
    assert (await sync(world, scope_key=ALL)).counts == RunCounts(GOOD, GOOD, 0, 0)
    assert double.requests.to(f"{CATALOG}/b/assignments") == 0


@pytest.mark.parametrize("collection", ["configurationPolicies", "intents"])
async def test_assignments_that_stay_lost_fail_the_policy(
    world: World, double: Double, collection: str
) -> None:
    intent = {"id": "i", "displayName": "Intent", "isAssigned": True, "assignments": ASSIGNMENTS}
    double.policies.put("intents", [intent])
    policy_id = "i" if collection == "intents" else "a"
    double.faults.add(f"{ROOT}/{collection}/{policy_id}/assignments", NoAssignments(), times=None)
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert failure.item_key == f"{collection}/{policy_id}"
    assert failure.reason == FailureReason.INCOMPLETE_POLICY
    assert "no assignments" in failure.message
    assert run.counts.succeeded == GOOD


async def test_a_policy_without_an_id_is_one_failed_item(world: World, double: Double) -> None:
    double.policies.put("intents", [{"id": "", "displayName": "Nameless"}])
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert failure.item_key == "intents/without id 1"
    assert failure.reason == FailureReason.INVALID_POLICY


async def test_a_policy_without_a_name_is_one_failed_item(world: World, double: Double) -> None:
    double.policies.put("deviceConfigurations", [{"id": "d", "displayName": None}])
    run = await sync(world, scope_key=ALL)
    assert (await only_failure(world, run)).item_key == "deviceConfigurations/d"


async def test_the_same_id_in_two_collections_is_not_stored(world: World, double: Double) -> None:
    double.policies.put("deviceConfigurations", [{"id": "a", "displayName": "Other"}])
    by_key = await failures(world, await sync(world, scope_key=ALL))
    assert by_key.keys() == {"configurationPolicies/a", "deviceConfigurations/a"}
    assert {failure.reason for failure in by_key.values()} == {FailureReason.DUPLICATE_ID}


@pytest.mark.parametrize("scopes", GraphScopes)
async def test_an_unknown_scope_fails_the_run(
    world: World, double: Double, scopes: GraphScopes
) -> None:
    await read_from_graph(world, double, scopes)
    run = await sync(world, scope_key="unknown")
    failure = await only_failure(world, run)
    assert (run.status, failure.reason) == (RunStatus.FAILED, FailureReason.SCOPE_NOT_FOUND)


@pytest.mark.parametrize("collection", ["configurationPolicies", "windowsDriverUpdateProfiles"])
async def test_a_token_that_is_refused_for_good_ends_the_run(
    world: World, double: Double, collection: str
) -> None:
    double.faults.add(f"{ROOT}/{collection}", error(401), times=None)
    run = await sync(world, scope_key=ALL)
    failure = await only_failure(world, run)
    assert (failure.item_key, failure.reason) == (None, FailureReason.PROVIDER_UNAUTHORIZED)


async def test_a_page_without_its_list_fails_the_policy(
    world: World, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_oddly(reading: _Reading, entity: Document, *rest: Any) -> Reply:
        reply = navigation(reading, entity, *rest)
        return Reply(200, {"value": "odd"}) if entity["id"] == "a" else reply

    navigation = _Reading._navigation
    monkeypatch.setattr(_Reading, "_navigation", answer_oddly)
    failure = await only_failure(world, await sync(world, scope_key=ALL))
    assert failure.item_key == "configurationPolicies/a"
    assert "is not a list of objects" in failure.message


async def test_a_policy_that_is_listed_twice_is_one_item(
    world: World, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pages overlap when a policy is added while they are read.
    def overlap(url: str, options: Any, items: Any, offset: int, size: int) -> Any:
        return page(url, options, items, offset, size + 1)[0], page(
            url, options, items, offset, size
        )[1]

    monkeypatch.setattr(double_policies, "page", overlap)
    run = await sync(world, scope_key=ALL)
    assert await complete_ids(world, run) == {"a", "b", "c", "g"}
    assert run.counts == RunCounts(GOOD, GOOD, 0, 0)


async def test_batches_that_fail_as_a_whole_end_the_run(world: World, double: Double) -> None:
    double.faults.add("/$batch", error(503), times=None)
    failure = await only_failure(world, await sync(world, scope_key=ALL))
    assert (failure.item_key, failure.reason) == (None, FailureReason.PROVIDER_UNAVAILABLE)
