"""A service starts runs and watches them with its own token, and is never a person."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from domain.tenancy.administration import find_user, save_member
from domain.tenancy.models import User
from domain.tenancy.roles import TenantRole
from gql.limits import turns
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.acts import save_scopes
from tests.client import TRANSPORTS, Client
from tests.gql.api import RunningApi, eventually, running_api
from tests.gql.notifications.reading import listed
from tests.gql.trail import Trail
from tests.opsrun.auth.issuer import AUDIENCE, ISSUER, Issuer, serving
from tests.opsrun.auth.providers import (
    SERVICES,
    Claims,
    auth0_service,
    keycloak_service,
    standard_person,
    standard_service,
)
from tests.world import World

VIEWER = "{ viewer { kind name email memberships { role tenant { slug } } } }"
TENANT = "query ($id: ID!) { tenant(id: $id) { slug } }"
START = """mutation ($id: ID!) { startInventorySync(input: {tenantId: $id, scopeKey: "a"}) {
    run { id initiator { actorId kind name } } userErrors { code } } }"""
FEED = """subscription ($id: ID!) { operationRuns(tenantId: $id) {
    ... on OperationRunChanged { change run { id initiator { kind name } } } } }"""
LIST = """query ($id: ID!, $filter: OperationRunFilter) { tenant(id: $id) {
    operationRuns(filter: $filter) { nodes { id initiator { kind name } } }
    operationRunFacets(filter: $filter) { byInitiator { count initiator { kind name } } } } }"""
Make = Callable[[str], Claims]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer):
        yield issuer


@pytest.fixture(scope="module")
def settings(
    issuer: Issuer,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    return Settings.model_validate(
        {
            "database_url": logins[Login.API],
            "redis_url": servers.redis_url,
            "data_folder": tmp_path_factory.mktemp("services"),
            "oidc_issuer": ISSUER,
            "oidc_audience": AUDIENCE,
            "oidc_jwks_url": issuer.url,
        }
    )


@pytest.fixture(scope="module")
async def api(settings: Settings) -> AsyncIterator[RunningApi]:
    """An API whose memberships are in the table."""
    async with running_api(settings) as running:
        yield running


@pytest.fixture(scope="module")
async def claiming(settings: Settings) -> AsyncIterator[RunningApi]:
    """An API whose memberships are in the token."""
    async with running_api(settings.model_copy(update={"memberships": "claim"})) as running:
        yield running


async def add(
    world: World,
    claims: Claims,
    *,
    is_service: bool = True,
    role: TenantRole = TenantRole.OPERATOR,
    name: str = "Nightly sync",
) -> User:
    """Give a user a role before the first token, as `opsrun member` does."""
    transactions = world.resources[Login.MAINTENANCE].transactions
    user = await find_user(transactions, ISSUER, claims["sub"], name, None, is_service=is_service)
    await save_member(transactions, world.slug, user, role)
    return user


async def viewer(client: Client) -> Any:
    return (await client.data(VIEWER))["viewer"]


@pytest.fixture
def client_id() -> str:
    return f"Client-{uuid4()}"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_service_starts_a_run_and_watches_it(
    api: RunningApi, issuer: Issuer, world: World, client_id: str, transport: str, service: Make
) -> None:
    claims = service(client_id)
    await add(world, claims)
    await save_scopes(world, "a")
    client = api.client(issuer.token(**claims))
    assert await viewer(client) == {
        "kind": "SERVICE",
        "name": "Nightly sync",
        "email": None,
        "memberships": [{"role": "OPERATOR", "tenant": {"slug": world.slug}}],
    }
    variables = {"id": world.global_id}
    who = {"kind": "SERVICE", "name": "Nightly sync"}
    async with client.subscribe(transport, FEED, variables) as stream:
        await stream.next()
        started = (await client.data(START, **variables))["startInventorySync"]["run"]
        actor = started["initiator"].pop("actorId")
        assert started["initiator"] == who
        assert await stream.next() == {"change": "ENTERED", "run": {**started}}
    for run_filter in (None, {"initiatorIds": [actor]}):
        tenant = (await client.data(LIST, **variables, filter=run_filter))["tenant"]
        assert tenant["operationRuns"]["nodes"] == [started]
        assert tenant["operationRunFacets"]["byInitiator"] == [{"count": 1, "initiator": who}]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_the_roles_that_its_token_claims(
    claiming: RunningApi, issuer: Issuer, world: World, client_id: str, service: Make
) -> None:
    memberships = {"opsrun_memberships": [f"{world.slug}:OPERATOR"]}
    claims = {**service(client_id), **memberships, "email": "somebody@example.com"}
    await save_scopes(world, "a")
    client = claiming.client(issuer.token(**claims))
    assert await viewer(client) == {
        "kind": "SERVICE",
        "name": client_id,
        "email": None,
        "memberships": [{"role": "OPERATOR", "tenant": {"slug": world.slug}}],
    }
    run = (await client.data(START, id=world.global_id))["startInventorySync"]["run"]
    assert (run["initiator"]["kind"], run["initiator"]["name"]) == ("SERVICE", client_id)


async def test_a_service_is_named_by_its_name_claim_and_stays_a_service(
    claiming: RunningApi, issuer: Issuer, client_id: str
) -> None:
    token = issuer.token(**standard_service(client_id), name="Olivia Owner")
    seen = await viewer(claiming.client(token))
    assert (seen["kind"], seen["name"]) == ("SERVICE", "Olivia Owner")


async def test_a_person_of_the_same_issuer_and_client_stays_a_user(
    api: RunningApi, claiming: RunningApi, issuer: Issuer, world: World, client_id: str
) -> None:
    claims = {**standard_person(client_id), "name": client_id}
    await add(world, claims, is_service=False, name="Ada")
    await save_scopes(world, "a")
    member = api.client(issuer.token(**claims))
    assert (await viewer(member))["kind"] == "USER"
    run = (await member.data(START, id=world.global_id))["startInventorySync"]["run"]
    assert run["initiator"]["kind"] == "USER"
    assert (await viewer(claiming.client(issuer.token(**claims))))["kind"] == "USER"


@pytest.mark.parametrize("is_service", [True, False])
async def test_a_service_and_a_person_with_one_subject_do_not_share_roles(
    api: RunningApi, issuer: Issuer, world: World, client_id: str, is_service: bool
) -> None:
    service = standard_service(client_id)
    person = {"sub": service["sub"], "name": "Ada"}
    member, stranger = (service, person) if is_service else (person, service)
    await add(world, member, is_service=is_service, role=TenantRole.OWNER)
    assert len((await viewer(api.client(issuer.token(**member))))["memberships"]) == 1
    answer = await api.client(issuer.token(**stranger)).ask(TENANT, {"id": world.global_id})
    kind = "user" if is_service else "service"
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    assert answer.body["errors"][0]["message"].startswith(f"This {kind} is not known here.")
    # Both can be members, each with a separate role.
    await add(world, stranger, is_service=not is_service, role=TenantRole.READONLY)
    roles = [
        (await viewer(api.client(issuer.token(**claims))))["memberships"][0]["role"]
        for claims in (member, stranger)
    ]
    assert roles == ["OWNER", "READONLY"]


async def test_a_person_with_a_services_name_has_none_of_its_roles(
    api: RunningApi, issuer: Issuer, world: World, client_id: str
) -> None:
    service = keycloak_service(client_id)
    await add(world, service, role=TenantRole.OWNER)
    # The provider let the person choose the user name of the service's account.
    impostor = {**service, "sub": str(uuid4())}
    answer = await api.client(issuer.token(**impostor)).ask(TENANT, {"id": world.global_id})
    assert answer.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_without_a_membership_is_refused(
    api: RunningApi,
    claiming: RunningApi,
    issuer: Issuer,
    world: World,
    client_id: str,
    service: Make,
) -> None:
    claims, elsewhere = service(client_id), await World.create(world.resources, world.exports)
    await add(elsewhere, claims)
    for served in (api, claiming):
        client = served.client(issuer.token(**claims))
        for document in (TENANT, START):
            answer = await client.ask(document, {"id": world.global_id})
            assert (answer.status, answer.code) == (403, "FORBIDDEN")


async def test_a_services_role_limits_what_it_may_start(
    api: RunningApi, issuer: Issuer, world: World, client_id: str
) -> None:
    claims = auth0_service(client_id)
    await add(world, claims, role=TenantRole.READONLY)
    client = api.client(issuer.token(**claims))
    assert (await client.ask(START, {"id": world.global_id})).code == "FORBIDDEN"


async def test_audit_records_name_the_kind_of_the_caller(
    api: RunningApi,
    issuer: Issuer,
    world: World,
    client_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "audit")
    elsewhere = await World.create(world.resources, world.exports)
    service, person = auth0_service(client_id), standard_person(client_id)
    machine = await add(world, service)
    human = await add(world, person, is_service=False)
    await save_scopes(world, "a")
    for claims in (service, person):
        client = api.client(issuer.token(**claims))
        await client.data(START, id=world.global_id)
        await client.ask(TENANT, {"id": elsewhere.global_id})
    records = Trail(caplog).fields
    assert [(each["event"], each["actor_id"], each["actor_kind"]) for each in records] == [
        ("run.start", str(machine.id), "SERVICE"),
        ("access.refused", str(machine.id), "SERVICE"),
        ("run.reuse", str(human.id), "USER"),
        ("access.refused", str(human.id), "USER"),
    ]


async def test_a_service_has_a_budget_of_its_own(
    settings: Settings, issuer: Issuer, world: World, client_id: str
) -> None:
    service, person = standard_service(client_id), {"sub": client_id, "name": "Ada"}
    await add(world, service)
    await add(world, person, is_service=False)
    async with running_api(settings.model_copy(update={"cost_per_minute": 50})) as api:
        client, other = (api.client(issuer.token(**claims)) for claims in (service, person))
        answers = [await client.ask(VIEWER) for _ in range(100)]
        assert answers[0].status == 200
        assert "RATE_LIMITED" in [answer.code for answer in answers if answer.status != 200]
        assert (await viewer(other))["kind"] == "USER"


async def test_a_services_operations_wait_only_for_each_other(
    api: RunningApi, issuer: Issuer, world: World, client_id: str
) -> None:
    service, person = standard_service(client_id), {"sub": client_id, "name": "Ada"}
    machine = await add(world, service)
    await add(world, person, is_service=False)
    gate = api.view.operations.admission
    assert gate is not None
    async with AsyncExitStack() as stack:
        for _ in range(turns.AT_A_TIME):
            await stack.enter_async_context(gate.turns.place(machine.id))
        asking = asyncio.create_task(viewer(api.client(issuer.token(**service))))
        await eventually(lambda: gate.turns.waiting(machine.id) == 1)
        assert (await viewer(api.client(issuer.token(**person))))["kind"] == "USER"
        assert not asking.done()
    assert (await asking)["kind"] == "SERVICE"


async def test_a_service_is_notified_of_its_runs_and_no_person_is(
    api: RunningApi, issuer: Issuer, world: World, client_id: str
) -> None:
    service, person = standard_service(client_id), {"sub": client_id, "name": "Ada"}
    await add(world, service)
    await add(world, person, is_service=False)
    await save_scopes(world, "a")
    client, other = (api.client(issuer.token(**claims)) for claims in (service, person))
    run = (await client.data(START, id=world.global_id))["startInventorySync"]["run"]
    (notification,) = (await listed(client, world))["nodes"]
    assert (notification["outcome"], notification["run"]["id"]) == ("QUEUED", run["id"])
    assert (await listed(other, world))["nodes"] == []
