"""The API with an OpenID Connect issuer, whose claim holds the roles."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from domain.tenancy.roles import TenantRole
from gql import context
from gql.ids import GlobalId
from gql.live import following
from opsrun.auth import issuer_keys
from opsrun.auth import tokens as auth
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import Settings
from tests.acts import save_scopes
from tests.client import TRANSPORTS, WEBSOCKET
from tests.gql.api import RunningApi, running_api
from tests.opsrun.auth.issuer import AUDIENCE, ISSUER, Issuer, serving
from tests.world import World

VIEWER = "{ viewer { name email memberships { role tenant { slug } } } }"
TENANT = "query ($id: ID!) { tenant(id: $id) { slug } }"
START = """mutation ($id: ID!) { startInventorySync(input: {tenantId: $id, scopeKey: "a"}) {
    run { initiator { name } } userErrors { code } } }"""
FEED = "subscription ($id: ID!) { operationRuns(tenantId: $id) { __typename } }"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer):
        yield issuer


@pytest.fixture(scope="module")
async def api(
    issuer: Issuer,
    servers: EmbeddedServers,
    logins: dict[Login, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RunningApi]:
    settings = Settings.model_validate(
        {
            "database_url": logins[Login.API],
            "redis_url": servers.redis_url,
            "data_folder": tmp_path_factory.mktemp("trusting"),
            "oidc_issuer": ISSUER,
            "oidc_audience": AUDIENCE,
            "oidc_jwks_url": issuer.url,
            "memberships": "claim",
        }
    )
    async with running_api(settings) as running:
        yield running


def token(issuer: Issuer, world: World, role: str, email: str | None = None) -> str:
    memberships = {world.slug: role}
    return issuer.token(sub=uuid4().hex, name="Ada", email=email, opsrun_memberships=memberships)


async def test_a_user_with_a_valid_claim_has_access(
    api: RunningApi, issuer: Issuer, world: World
) -> None:
    client = api.client(token(issuer, world, "OPERATOR", email="ada@example.com"))
    assert (await client.data(VIEWER))["viewer"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "memberships": [{"role": "OPERATOR", "tenant": {"slug": world.slug}}],
    }
    await save_scopes(world, "a")
    answer = (await client.data(START, id=world.global_id))["startInventorySync"]
    assert answer == {"run": {"initiator": {"name": "Ada"}}, "userErrors": []}


async def test_a_new_user_is_audited_once(
    api: RunningApi, issuer: Issuer, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "audit")
    client = api.client(token(issuer, world, "READONLY"))
    for _ in range(3):
        await client.data(VIEWER)
    (record,) = [record for record in caplog.records if record.name == "audit"]
    fields = vars(record)
    assert (fields["event"], fields["outcome"]) == ("membership.provisioned", "done")
    assert await world.rows("SELECT 1 FROM opsrun.app_user WHERE id = :id", id=fields["actor_id"])


async def test_a_role_ends_with_its_claim(
    api: RunningApi, issuer: Issuer, world: World, tmp_path: Path
) -> None:
    neighbour = await World.create(world.resources, tmp_path)
    client = api.client(token(issuer, world, "READONLY"))
    assert (await client.ask(START, {"id": world.global_id})).code == "FORBIDDEN"
    # A tenant that exists and one that does not get the same answer.
    refusals = [
        await client.ask(TENANT, {"id": GlobalId("Tenant", tenant_id).encode()})
        for tenant_id in (neighbour.tenant_id, uuid4())
    ]
    assert refusals[0].status == refusals[1].status == 403
    assert refusals[0].content == refusals[1].content


async def test_a_membership_in_the_table_does_not_count_with_claims(
    api: RunningApi, issuer: Issuer, world: World
) -> None:
    member = world.members[TenantRole.OWNER]
    client = api.client(issuer.token(sub=member.subject))
    assert (await client.data(VIEWER))["viewer"]["memberships"] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_withdrawn_key_ends_subscriptions(
    api: RunningApi,
    issuer: Issuer,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(context, "PRINCIPAL_SECONDS", 0.02)
    monkeypatch.setattr(context, "VERIFY_SECONDS", 0.02)
    monkeypatch.setattr(auth, "KEPT_SECONDS", 0.02)
    monkeypatch.setattr(issuer_keys, "PAUSE_SECONDS", 0.05)
    client = api.client(token(issuer, world, "READONLY"))
    async with client.subscribe(transport, FEED, {"id": world.global_id}) as stream:
        assert (await stream.next())["__typename"] == "FeedReset"
        issuer.rotate(uuid4().hex)
        monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.05)
        assert await stream.failure() == "UNAUTHENTICATED"
    assert (await client.ask(VIEWER)).status == 401
    newcomer = api.client(token(issuer, world, "READONLY"))
    assert len((await newcomer.data(VIEWER))["viewer"]["memberships"]) == 1


async def test_an_unavailable_issuer_signs_no_user_out(
    api: RunningApi, issuer: Issuer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = api.client(token(issuer, world, "READONLY"))
    await client.data(VIEWER)
    issuer.answer = (503, b"")
    monkeypatch.setattr(issuer_keys, "LIFETIME_SECONDS", -1.0)
    monkeypatch.setattr(auth, "KEPT_SECONDS", -1.0)
    try:
        answer = await client.ask(VIEWER)
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        async with client.subscribe(WEBSOCKET, FEED, {"id": world.global_id}):
            pytest.fail("no token was checked")
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1013
    finally:
        issuer.answer = None
