"""Each mutation needs a role (T1) and is refused before it reads or writes."""

import pytest

from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from opsrun.resources import Resources
from tests.gql.api import RunningApi
from tests.gql.arguments import BUILT, Argument, arguments
from tests.gql.furnished import Furnished, furnish
from tests.gql.tables import contents

LEAST = {
    "startOperation": TenantRole.OPERATOR,
    "archiveReport": TenantRole.OPERATOR,
    "startInventorySync": TenantRole.OPERATOR,
    "startGroupSync": TenantRole.OPERATOR,
    "startDriftGeneration": TenantRole.OPERATOR,
    "addPoliciesToBackupSet": TenantRole.OPERATOR,
    "createBackupSet": TenantRole.MANAGER,
    "updateTenantSettings": TenantRole.OWNER,
    "markNotificationsRead": TenantRole.READONLY,
}
MUTATIONS = {
    argument.field_name: argument
    for argument in arguments()
    if argument.type_name == "Mutation"
    and argument.path in (("input", "tenantId"), ("input", "backupSetId"))
}
CASES = [(mutation, role) for mutation in MUTATIONS.values() for role in TenantRole]
REFUSED = [(m, role) for m, role in CASES if role.rank < LEAST[m.field_name].rank]
LET_IN = [(m, role) for m, role in CASES if role.rank >= LEAST[m.field_name].rank]


@pytest.fixture(scope="module")
async def ours(
    api: RunningApi, resources: dict[Login, Resources], tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """A tenant for this module, which changes it."""
    return await furnish(api, resources, tmp_path_factory.mktemp("ours"))


def test_every_mutation_has_a_least_role() -> None:
    assert set(BUILT.type_map["Mutation"].fields) == set(MUTATIONS) == set(LEAST)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("mutation", "role"), REFUSED, ids=str)
async def test_a_lower_role_is_refused_and_changes_nothing(
    api: RunningApi, ours: Furnished, mutation: Argument, role: TenantRole
) -> None:
    before = await contents(ours.world)
    variables = mutation.variables(ours, mutation.owned(ours)[mutation.path[-1]])
    for accept in ("application/graphql-response+json", "application/json"):
        answer = await api.member(ours.world, role).ask(mutation.document, variables, accept)
        assert (answer.status, answer.code, answer.body["data"]) == (403, "FORBIDDEN", None)
        message = answer.body["errors"][0]["message"]
        assert role in message
        assert LEAST[mutation.field_name] in message
    assert await contents(ours.world) == before


@pytest.mark.parametrize(("mutation", "role"), LET_IN, ids=str)
async def test_a_sufficient_role_is_accepted(
    api: RunningApi, ours: Furnished, mutation: Argument, role: TenantRole
) -> None:
    variables = mutation.variables(ours, mutation.owned(ours)[mutation.path[-1]])
    await api.member(ours.world, role).data(mutation.document, **variables)


async def test_a_missing_role_is_refused_before_user_errors(
    api: RunningApi, ours: Furnished
) -> None:
    """Otherwise the response would show which objects exist."""
    reader = api.member(ours.world, TenantRole.READONLY)
    for mutation in MUTATIONS.values():
        if LEAST[mutation.field_name] is TenantRole.READONLY:
            continue
        variables = mutation.variables(ours, mutation.owned(ours)[mutation.path[-1]])
        bad = {"scopeKey": "..", "name": "", "policyIds": [], "retentionDays": 0}
        input_ = variables["input"]
        input_ |= {key: value for key, value in bad.items() if key in input_}
        assert (await reader.ask(mutation.document, variables)).code == "FORBIDDEN"
