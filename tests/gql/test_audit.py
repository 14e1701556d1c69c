"""Each start, change and refusal has one audit record, without confidential data."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.tenancy.administration import remove_member
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal, User
from domain.tenancy.roles import TenantRole
from domain.tenancy.transactions import Transactions
from gql import audit as module
from gql.completion import wait_for_mutations
from gql.context import Context, HubLinks, Identity
from gql.ids import GlobalId
from gql.request import Request
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.postgres.engines import Login
from tests.acts import save_scopes
from tests.client import PATIENCE, SSE, WEBSOCKET, WebSocket
from tests.gql.api import RunningApi, eventually
from tests.gql.conftest import Serving
from tests.gql.trail import Pause, Trail
from tests.world import LOCAL_KEY, World

VIEWER = "{ viewer { name } }"
TENANT = "query ($id: ID!) { tenant(id: $id) { slug } }"
FEED = "subscription ($id: ID!) { operationRuns(tenantId: $id) { __typename } }"
START = """mutation ($id: ID!, $scope: String!) {
  startInventorySync(input: {tenantId: $id, scopeKey: $scope}) { run { id } userErrors { code } }
}"""
CREATE = """mutation ($id: ID!, $name: String!) {
  createBackupSet(input: {tenantId: $id, name: $name}) { userErrors { code } }
}"""
SET = """mutation ($id: ID!, $days: Int!) {
  updateTenantSettings(input: {tenantId: $id, retentionDays: $days}) { userErrors { code } }
}"""
MARK = """mutation ($id: ID!, $ids: [ID!]!) {
  markNotificationsRead(input: {tenantId: $id, notificationIds: $ids}) { unreadCount }
}"""
Fields = dict[str, str]


def done(event: str, world: World, role: TenantRole, **more: str) -> Fields:
    return {
        "event": event,
        "outcome": "done",
        "actor_id": str(world.members[role].id),
        "actor_kind": "USER",
        "tenant_id": str(world.tenant_id),
        "transport": "http",
        **more,
    }


async def test_a_start_is_audited_with_its_run(api: RunningApi, world: World, trail: Trail) -> None:
    await save_scopes(world, "a")
    client = api.member(world)
    ids = []
    for _ in range(2):
        answer = await client.data(START, id=world.global_id, scope="a")
        ids.append(GlobalId.decode(answer["startInventorySync"]["run"]["id"]).uuid_key())
    run = {"run_id": str(ids[0]), "run_type": "inventory.sync"}
    assert ids[0] == ids[1]
    assert trail.fields == [
        done("run.start", world, TenantRole.OPERATOR, **run),
        done("run.reuse", world, TenantRole.OPERATOR, **run),
    ]


@pytest.mark.parametrize(
    ("event", "role", "document", "variables"),
    [
        ("backup_set.create", TenantRole.MANAGER, CREATE, {"name": "Everything"}),
        ("settings.change", TenantRole.OWNER, SET, {"days": 7}),
    ],
)
async def test_a_change_is_audited(
    api: RunningApi,
    world: World,
    trail: Trail,
    event: str,
    role: TenantRole,
    document: str,
    variables: Mapping[str, Any],
) -> None:
    await api.member(world, role).data(document, id=world.global_id, **variables)
    assert trail.fields == [done(event, world, role)]


async def test_marking_notifications_is_audited_if_one_was_unread(
    api: RunningApi, world: World, trail: Trail
) -> None:
    await world.start()
    (row,) = await world.rows("SELECT id FROM opsrun.notification WHERE tenant_id = :tenant_id")
    for key in (row.id, uuid4()):
        ids = [GlobalId("Notification", world.tenant_id, key.hex).encode()]
        await api.member(world).data(MARK, id=world.global_id, ids=ids)
    assert trail.fields == [done("notifications.read", world, TenantRole.OPERATOR)]


async def test_an_operation_that_changes_nothing_is_not_audited(
    api: RunningApi, world: World, trail: Trail
) -> None:
    owner = api.member(world, TenantRole.OWNER)
    await owner.data(START, id=world.global_id, scope="../b")
    await owner.data(CREATE, id=world.global_id, name="")
    await owner.data(SET, id=world.global_id, days=0)
    await owner.data(TENANT, id=world.global_id)
    assert (await owner.ask("{ nonsense }")).code == "BAD_USER_INPUT"
    assert trail.fields == []


def refused(
    code: str, reason: str, *, actor: UUID | None = None, tenant: UUID | None = None
) -> Fields:
    ids = {"actor_id": actor, "actor_kind": actor and "USER", "tenant_id": tenant}
    events = {"UNAUTHENTICATED": "token.refused", "TOO_MANY_ACTIVE_RUNS": "run.refused"}
    return {
        "event": events.get(code, "access.refused"),
        "outcome": "refused",
        "error_code": code,
        "transport": "http",
        "reason": reason,
        **{name: str(id_) for name, id_ in ids.items() if id_},
    }


async def test_missing_access_is_audited(api: RunningApi, world: World, trail: Trail) -> None:
    reader, elsewhere = api.member(world, TenantRole.READONLY), uuid4()
    actor = world.members[TenantRole.READONLY].id
    await reader.ask(TENANT, {"id": GlobalId("Tenant", elsewhere).encode()})
    await reader.ask(START, {"id": world.global_id, "scope": "a"})
    too_weak = "Your role READONLY may not do this: it requires OPERATOR or above."
    assert trail.fields == [
        refused("FORBIDDEN", "You have no access to this tenant.", actor=actor, tenant=elsewhere),
        refused("FORBIDDEN", too_weak, actor=actor, tenant=world.tenant_id),
    ]


async def test_an_exceeded_limit_is_audited(api: RunningApi, world: World, trail: Trail) -> None:
    answer = await api.member(world).ask(MARK, {"id": world.global_id, "ids": ["x"] * 101})
    assert answer.code == "LIMIT_EXCEEDED"
    actor = world.members[TenantRole.OPERATOR].id
    reason = "Mark at most 100 notifications at a time."
    assert trail.fields == [refused("LIMIT_EXCEEDED", reason, actor=actor)]


async def test_a_start_refused_by_a_full_queue_is_audited(
    serving: Serving, world: World, trail: Trail
) -> None:
    await save_scopes(world, "a", "b")
    async with serving(tenant_max_active_runs=1) as full:
        client = full.member(world)
        await client.data(START, id=world.global_id, scope="a")
        answer = await client.data(START, id=world.global_id, scope="b")
        mistaken = await client.data(START, id=world.global_id, scope=" ")
    code = "TOO_MANY_ACTIVE_RUNS"
    assert answer["startInventorySync"]["userErrors"] == [{"code": code}]
    assert mistaken["startInventorySync"]["userErrors"] == [{"code": "INVALID_SCOPE_KEY"}]
    # Invalid input is not audited.
    _, refusal = trail.fields
    actor = world.members[TenantRole.OPERATOR].id
    assert refusal == refused(code, refusal["reason"], actor=actor, tenant=world.tenant_id)
    assert refusal["reason"].startswith("1 runs are queued or running")


async def test_a_refused_token_is_audited(api: RunningApi, world: World, trail: Trail) -> None:
    stranger = User(LOCAL_ISSUER, uuid4().hex, "Nora Newcomer")
    unknown = LocalTokens(LOCAL_KEY).mint(
        stranger.subject, name=stranger.name, lifetime=timedelta(hours=1)
    )
    for token in (None, "garbage", unknown):
        assert (await api.client(token).ask(VIEWER)).status == 401
    code = "UNAUTHENTICATED"
    assert trail.fields == [
        refused(code, "Send a token as `Authorization: Bearer …`."),
        refused(code, "The token is not valid here. Sign in again."),
        refused(code, "This user is not known here. Ask an owner for access.", actor=stranger.id),
    ]
    for record in trail.records:
        assert unknown not in repr(vars(record))
        assert stranger.name not in repr(vars(record))
        assert stranger.subject not in repr(vars(record))


@pytest.mark.parametrize("transport", [WEBSOCKET, SSE])
async def test_the_refusal_that_ends_a_subscription_is_audited(
    api: RunningApi, world: World, trail: Trail, transport: str, often: None
) -> None:
    member = world.members[TenantRole.OPERATOR]
    async with api.member(world).subscribe(transport, FEED, {"id": world.global_id}) as stream:
        await stream.next()
        await remove_member(world.resources[Login.MAINTENANCE].transactions, world.slug, member)
        assert await stream.failure() == "FORBIDDEN"
    reason = "You have no access to this tenant."
    expected = refused("FORBIDDEN", reason, actor=member.id, tenant=world.tenant_id)
    assert trail.fields == [{**expected, "transport": transport}]


async def test_a_record_has_the_id_of_its_request(
    api: RunningApi, world: World, trail: Trail
) -> None:
    headers = {"Authorization": f"Bearer {world.token(TenantRole.OWNER)}", "X-Request-Id": "mine-1"}
    body = {"query": SET, "variables": {"id": world.global_id, "days": 7}}
    await api.http.post("/graphql", json=body, headers=headers)
    (record,) = trail.records
    assert vars(record)["request_id"] == "mine-1"


async def test_repeated_refusals_are_counted_but_not_written(
    api: RunningApi, world: World, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    for _ in range(5):
        await api.client(None).ask(VIEWER)
        await api.client("garbage").ask(VIEWER)
    foreign = GlobalId("Tenant", uuid4()).encode()
    many = " ".join(f'a{n}: tenant(id: "{foreign}") {{ id }}' for n in range(5))
    for role in (TenantRole.READONLY, TenantRole.OWNER):
        await api.member(world, role).ask(f"{{ {many} }}")
    # One record per kind and caller, independent of other callers.
    assert len(trail.fields) == 4
    assert not any("repeated" in fields for fields in trail.fields)
    now += module.PAUSE_SECONDS + 0.1
    await api.client(None).ask(VIEWER)
    assert trail.fields[-1]["repeated"] == "4"
    await api.client(None).ask(VIEWER)
    assert len(trail.fields) == 5


def test_the_number_of_remembered_refusals_is_bounded() -> None:
    repeats = module._Repeats()
    for number in range(module.MAX_KINDS * 3):
        assert repeats.admit(number) == 0
    assert len(repeats._held) <= module.MAX_KINDS


async def test_every_start_is_audited(api: RunningApi, world: World, trail: Trail) -> None:
    await save_scopes(world, "a")
    for _ in range(10):
        await api.member(world).data(START, id=world.global_id, scope="a")
    assert len(trail.fields) == 10


# Clients that leave


async def send_and_give_up(
    websocket: WebSocket, document: str, variables: Mapping[str, Any], pause: Pause
) -> None:
    """Send an operation and complete it at the pause; return when the server has seen that."""
    id_ = await websocket.subscribe(document, variables)
    async with asyncio.timeout(PATIENCE):
        await pause.reached.wait()
        await websocket.send(type="complete", id=id_)
        await websocket.send(type="ping")
        assert (await websocket.receive())["type"] == "pong"


def slow_write(transactions: Transactions, committed: Pause) -> Callable[..., Awaitable[Any]]:
    """Return `write` with a pause after the commit."""
    write = transactions.write

    async def write_slowly(*args: Any) -> Any:
        result = await write(*args)
        await committed.here()
        return result

    return write_slowly


@pytest.mark.parametrize(
    ("event", "role", "document"),
    [
        ("run.start", TenantRole.OPERATOR, START),
        ("backup_set.create", TenantRole.MANAGER, CREATE),
        ("settings.change", TenantRole.OWNER, SET),
        ("notifications.read", TenantRole.OPERATOR, MARK),
    ],
)
async def test_a_change_is_audited_even_if_its_client_left(
    api: RunningApi,
    world: World,
    trail: Trail,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    role: TenantRole,
    document: str,
) -> None:
    await save_scopes(world, "a")
    await world.start()
    (row,) = await world.rows("SELECT id FROM opsrun.notification WHERE tenant_id = :tenant_id")
    ids = [GlobalId("Notification", world.tenant_id, row.id.hex).encode()]
    variables = {"id": world.global_id, "scope": "a", "name": "All", "days": 7, "ids": ids}
    committed, transactions = Pause(), api.resources.transactions
    member = transactions.member

    @asynccontextmanager
    async def slow_member(*args: Any) -> AsyncIterator[Any]:
        async with member(*args) as connection:
            yield connection
        await committed.here()

    monkeypatch.setattr(transactions, "member", slow_member)
    monkeypatch.setattr(transactions, "write", slow_write(transactions, committed))
    async with api.member(world, role).websocket() as websocket:
        await send_and_give_up(websocket, document, variables, committed)
        assert trail.fields == []
        committed.over.set()
        await eventually(lambda: trail.fields != [])
    (fields,) = trail.fields
    assert {**done(event, world, role), "transport": "websocket"}.items() <= fields.items()


async def test_a_new_user_is_audited_even_if_they_left(world: World, trail: Trail) -> None:
    user = ClaimedUser(LOCAL_ISSUER, uuid4().hex, "Someone", None, ())
    committed, claimed = Pause(), world.cases.tenancy.claimed_principal

    async def identify() -> Identity:
        return Identity(user.id, datetime.now(UTC) + timedelta(hours=1), user)

    async def slow_to_return(user: ClaimedUser, **age: float) -> tuple[Principal, bool]:
        result = await claimed(user, **age)
        await committed.here()
        return result

    context = Context(
        world.cases, identify, HubLinks("https://ops.example"), timedelta(days=30), Request()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.cases.tenancy, "claimed_principal", slow_to_return)
        asking = asyncio.create_task(context.principal())
        async with asyncio.timeout(PATIENCE):
            await committed.reached.wait()
            asking.cancel()
            committed.over.set()
            await asyncio.wait([asking])
    assert asking.cancelled()
    assert [fields["event"] for fields in trail.fields] == ["membership.provisioned"]


async def test_a_server_audits_running_mutations_before_it_stops(
    serving: Serving, world: World, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    await save_scopes(world, "a")
    committed = Pause()

    async def wait_at_last() -> None:
        committed.over.set()
        await wait_for_mutations()

    monkeypatch.setattr("opsrun.api.asgi.wait_for_mutations", wait_at_last)
    async with serving() as stopping:
        transactions = stopping.resources.transactions
        monkeypatch.setattr(transactions, "write", slow_write(transactions, committed))
        async with stopping.member(world).websocket() as websocket:
            variables = {"id": world.global_id, "scope": "a"}
            await send_and_give_up(websocket, START, variables, committed)
    assert [fields["event"] for fields in trail.fields] == ["run.start"]
