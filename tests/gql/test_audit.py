"""Who started or changed what, and who was refused: a record each, and nothing confidential."""

import asyncio
import gc
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import ClientConnection

from domain.errors import ForbiddenError
from domain.tenancy.claims import ClaimedUser
from domain.tenancy.models import Principal
from domain.tenancy.roles import TenantRole
from gql import audit as module
from gql import completion
from gql.completion import run_to_completion, wait_for_mutations
from gql.context import Context, Identity
from gql.hub_links import HubLinks
from gql.ids import GlobalId
from gql.request import Request
from opsrun.administration import User, remove_member
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.postgres.engines import Login
from tests.gql.api import PATIENCE, SSE, WEBSOCKET, RunningApi, eventually
from tests.gql.conftest import Serving
from tests.working import know_scopes
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
FIELDS = (
    *("event", "outcome", "actor_id", "tenant_id", "run_id", "run_type", "error_code"),
    *("transport", "reason", "repeated"),
)
Told = dict[str, str]


class Trail:
    """What the audit log holds."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def records(self) -> list[logging.LogRecord]:
        return [record for record in self._caplog.records if record.name == "audit"]

    @property
    def told(self) -> list[Told]:
        return [
            {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
            for record in self.records
        ]


@pytest.fixture
def trail(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Trail:
    monkeypatch.setattr(module, "_repeats", module._Repeats())
    caplog.set_level(logging.INFO, "audit")
    return Trail(caplog)


def done(event: str, world: World, role: TenantRole, **more: str) -> Told:
    return {
        "event": event,
        "outcome": "done",
        "actor_id": str(world.members[role].id),
        "tenant_id": str(world.tenant_id),
        "transport": "http",
        **more,
    }


async def test_a_start_is_told_with_its_run(api: RunningApi, world: World, trail: Trail) -> None:
    await know_scopes(world, "a")
    client = api.member(world)
    ids = []
    for _ in range(2):
        answer = await client.data(START, id=world.global_id, scope="a")
        ids.append(GlobalId.decode(answer["startInventorySync"]["run"]["id"]).uuid_key())
    run = {"run_id": str(ids[0]), "run_type": "inventory.sync"}
    assert ids[0] == ids[1]
    assert trail.told == [
        done("run.start", world, TenantRole.OPERATOR, **run),
        done("run.reuse", world, TenantRole.OPERATOR, **run),
    ]


@pytest.mark.parametrize(
    ("event", "role", "document", "given"),
    [
        ("backup_set.create", TenantRole.MANAGER, CREATE, {"name": "Everything"}),
        ("settings.change", TenantRole.OWNER, SET, {"days": 7}),
    ],
)
async def test_a_change_is_told(
    api: RunningApi,
    world: World,
    trail: Trail,
    event: str,
    role: TenantRole,
    document: str,
    given: Mapping[str, Any],
) -> None:
    await api.member(world, role).data(document, id=world.global_id, **given)
    assert trail.told == [done(event, world, role)]


async def test_reading_notifications_is_a_change_where_one_was_unread(
    api: RunningApi, world: World, trail: Trail
) -> None:
    await world.start()
    (row,) = await world.rows("SELECT id FROM opsrun.notification WHERE tenant_id = :tenant_id")
    for key in (row.id, uuid4()):
        ids = [GlobalId("Notification", world.tenant_id, key.hex).encode()]
        await api.member(world).data(MARK, id=world.global_id, ids=ids)
    assert trail.told == [done("notifications.read", world, TenantRole.OPERATOR)]


async def test_what_changed_nothing_is_not_told(
    api: RunningApi, world: World, trail: Trail
) -> None:
    owner = api.member(world, TenantRole.OWNER)
    await owner.data(START, id=world.global_id, scope="../b")
    await owner.data(CREATE, id=world.global_id, name="")
    await owner.data(SET, id=world.global_id, days=0)
    await owner.data(TENANT, id=world.global_id)
    assert (await owner.ask("{ nonsense }")).code == "BAD_USER_INPUT"
    assert trail.told == []


def refused(
    code: str, reason: str, *, actor: UUID | None = None, tenant: UUID | None = None
) -> Told:
    told = {"actor_id": actor, "tenant_id": tenant}
    events = {"UNAUTHENTICATED": "token.refused", "TOO_MANY_ACTIVE_RUNS": "run.refused"}
    return {
        "event": events.get(code, "access.refused"),
        "outcome": "refused",
        "error_code": code,
        "transport": "http",
        "reason": reason,
        **{name: str(id_) for name, id_ in told.items() if id_},
    }


async def test_a_tenant_or_role_that_one_has_not_is_told(
    api: RunningApi, world: World, trail: Trail
) -> None:
    reader, elsewhere = api.member(world, TenantRole.READONLY), uuid4()
    actor = world.members[TenantRole.READONLY].id
    await reader.ask(TENANT, {"id": GlobalId("Tenant", elsewhere).encode()})
    await reader.ask(START, {"id": world.global_id, "scope": "a"})
    too_weak = "Your role READONLY may not do this: it requires OPERATOR or above."
    assert trail.told == [
        refused("FORBIDDEN", "You have no access to this tenant.", actor=actor, tenant=elsewhere),
        refused("FORBIDDEN", too_weak, actor=actor, tenant=world.tenant_id),
    ]


async def test_a_limit_that_was_met_is_told(api: RunningApi, world: World, trail: Trail) -> None:
    answer = await api.member(world).ask(MARK, {"id": world.global_id, "ids": ["x"] * 101})
    assert answer.code == "LIMIT_EXCEEDED"
    actor = world.members[TenantRole.OPERATOR].id
    reason = "Mark at most 100 notifications at a time."
    assert trail.told == [refused("LIMIT_EXCEEDED", reason, actor=actor)]


async def test_a_start_that_finds_the_queue_full_is_told(
    serving: Serving, world: World, trail: Trail
) -> None:
    await know_scopes(world, "a", "b")
    async with serving(tenant_max_active_runs=1) as full:
        client = full.member(world)
        await client.data(START, id=world.global_id, scope="a")
        answer = await client.data(START, id=world.global_id, scope="b")
        mistaken = await client.data(START, id=world.global_id, scope=" ")
    code = "TOO_MANY_ACTIVE_RUNS"
    assert answer["startInventorySync"]["userErrors"] == [{"code": code}]
    assert mistaken["startInventorySync"]["userErrors"] == [{"code": "INVALID_SCOPE_KEY"}]
    # A mistake in the input is none of the log's business.
    _, told = trail.told
    actor = world.members[TenantRole.OPERATOR].id
    assert told == refused(code, told["reason"], actor=actor, tenant=world.tenant_id)
    assert told["reason"].startswith("1 runs are queued or running")


async def test_a_token_that_is_not_taken_is_told(
    api: RunningApi, world: World, trail: Trail
) -> None:
    stranger = User(LOCAL_ISSUER, uuid4().hex, "Nobody Atall")
    unknown = LocalTokens(LOCAL_KEY).mint(
        stranger.subject, name=stranger.name, lifetime=timedelta(hours=1)
    )
    for token in (None, "garbage", unknown):
        assert (await api.client(token).ask(VIEWER)).status == 401
    code = "UNAUTHENTICATED"
    assert trail.told == [
        refused(code, "Send a token as `Authorization: Bearer …`."),
        refused(code, "The token is not valid here. Sign in again."),
        refused(code, "This user is not known here. Ask an owner for access.", actor=stranger.id),
    ]
    for record in trail.records:
        assert unknown not in repr(vars(record))
        assert stranger.name not in repr(vars(record))
        assert stranger.subject not in repr(vars(record))


@pytest.mark.parametrize("transport", [WEBSOCKET, SSE])
async def test_what_ends_a_live_subscription_is_told(
    api: RunningApi, world: World, trail: Trail, transport: str, often: None
) -> None:
    member = world.members[TenantRole.OPERATOR]
    async with api.member(world).subscribe(transport, FEED, {"id": world.global_id}) as stream:
        await stream.next()
        await remove_member(world.resources[Login.MAINTENANCE].transactions, world.slug, member)
        assert await stream.failure() == "FORBIDDEN"
    reason = "You have no access to this tenant."
    told = refused("FORBIDDEN", reason, actor=member.id, tenant=world.tenant_id)
    assert trail.told == [{**told, "transport": transport}]


async def test_a_request_is_told_by_its_id(api: RunningApi, world: World, trail: Trail) -> None:
    headers = {"Authorization": f"Bearer {world.token(TenantRole.OWNER)}", "X-Request-Id": "mine-1"}
    given = {"query": SET, "variables": {"id": world.global_id, "days": 7}}
    await api.http.post("/graphql", json=given, headers=headers)
    (record,) = trail.records
    assert vars(record)["request_id"] == "mine-1"


async def test_a_flood_of_refusals_is_counted_and_not_written(
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
    # One of each kind and caller, whatever the others do.
    assert len(trail.told) == 4
    assert not any("repeated" in told for told in trail.told)
    now += module.PAUSE_SECONDS + 0.1
    await api.client(None).ask(VIEWER)
    assert trail.told[-1]["repeated"] == "4"
    await api.client(None).ask(VIEWER)
    assert len(trail.told) == 5


def test_kinds_of_refusals_are_kept_in_bounds() -> None:
    repeats = module._Repeats()
    for number in range(module.MAX_KINDS * 3):
        assert repeats.admit(number) == 0
    assert len(repeats._held) <= module.MAX_KINDS


async def test_starts_are_never_held_back(api: RunningApi, world: World, trail: Trail) -> None:
    await know_scopes(world, "a")
    for _ in range(10):
        await api.member(world).data(START, id=world.global_id, scope="a")
    assert len(trail.told) == 10


# Clients that leave


class Pause:
    """A place where work waits until it may go on."""

    def __init__(self) -> None:
        self.reached, self.over = asyncio.Event(), asyncio.Event()

    async def here(self, *_: object) -> None:
        self.reached.set()
        await self.over.wait()


async def send_and_give_up(
    connection: ClientConnection, document: str, given: Mapping[str, Any], pause: Pause
) -> None:
    """Send an operation and complete it at the pause; the server knows when this returns."""
    payload = {"query": document, "variables": given}
    await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    async with asyncio.timeout(PATIENCE):
        await pause.reached.wait()
        await connection.send(json.dumps({"id": "1", "type": "complete"}))
        await connection.send(json.dumps({"type": "ping"}))
        assert json.loads(await connection.recv())["type"] == "pong"


@pytest.mark.parametrize(
    ("event", "role", "document"),
    [
        ("run.start", TenantRole.OPERATOR, START),
        ("backup_set.create", TenantRole.MANAGER, CREATE),
        ("settings.change", TenantRole.OWNER, SET),
        ("notifications.read", TenantRole.OPERATOR, MARK),
    ],
)
async def test_what_was_done_is_told_though_its_client_left(
    api: RunningApi,
    world: World,
    trail: Trail,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    role: TenantRole,
    document: str,
) -> None:
    await know_scopes(world, "a")
    await world.start()
    (row,) = await world.rows("SELECT id FROM opsrun.notification WHERE tenant_id = :tenant_id")
    ids = [GlobalId("Notification", world.tenant_id, row.id.hex).encode()]
    given = {"id": world.global_id, "scope": "a", "name": "All", "days": 7, "ids": ids}
    committed, member = Pause(), api.resources.transactions.member

    @asynccontextmanager
    async def slow_to_return(*args: Any) -> AsyncIterator[Any]:
        async with member(*args) as connection:
            yield connection
        await committed.here()

    monkeypatch.setattr(api.resources.transactions, "member", slow_to_return)
    async with api.member(world, role).socket() as connection:
        await send_and_give_up(connection, document, given, committed)
        assert trail.told == []
        committed.over.set()
        await eventually(lambda: trail.told != [])
    (told,) = trail.told
    assert {**done(event, world, role), "transport": "websocket"}.items() <= told.items()


async def test_a_new_user_is_told_though_they_left(world: World, trail: Trail) -> None:
    user = ClaimedUser(LOCAL_ISSUER, uuid4().hex, "Someone", None, ())
    committed, claimed = Pause(), world.cases.tenancy.claimed_principal

    async def identify() -> Identity:
        return Identity(user.id, datetime.now(UTC) + timedelta(hours=1), user)

    async def slow_to_return(user: ClaimedUser, **age: float) -> tuple[Principal, bool]:
        found = await claimed(user, **age)
        await committed.here()
        return found

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
    assert [told["event"] for told in trail.told] == ["membership.provisioned"]


async def test_an_error_that_has_no_answer_is_told_once(
    trail: Trail, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = uuid4()
    for error in (ForbiddenError(tenant_id=elsewhere), RuntimeError("a surprise")):
        pause = Pause()

        async def fail(pause: Pause = pause, error: Exception = error) -> None:
            await pause.here()
            raise error

        working = asyncio.create_task(run_to_completion(fail()))
        async with asyncio.timeout(PATIENCE):
            await pause.reached.wait()
            # Once by the client and once by a server that stops.
            for _ in range(2):
                working.cancel()
                await asyncio.sleep(0)
            assert not working.done()
            pause.over.set()
            await asyncio.wait([working])
        assert working.cancelled()
    (told,) = trail.told
    assert told["tenant_id"] == str(elsewhere)
    gc.collect()
    (surprise,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(vars(surprise)["error_id"]) == 32
    assert str(surprise.exc_info and surprise.exc_info[1]) == "a surprise"


async def test_a_server_stops_when_all_is_told(
    serving: Serving, world: World, trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    await know_scopes(world, "a")
    committed = Pause()

    async def wait_at_last() -> None:
        committed.over.set()
        await wait_for_mutations()

    monkeypatch.setattr("opsrun.api.asgi.wait_for_mutations", wait_at_last)
    async with serving() as stopping:
        monkeypatch.setattr(stopping.resources.wakeups, "nudge", committed.here)
        async with stopping.member(world).socket() as connection:
            given = {"id": world.global_id, "scope": "a"}
            await send_and_give_up(connection, START, given, committed)
    assert [told["event"] for told in trail.told] == ["run.start"]


async def test_a_server_waits_not_for_ever_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "LAST_SECONDS", 0.01)
    pause = Pause()
    working = asyncio.create_task(run_to_completion(pause.here()))
    async with asyncio.timeout(PATIENCE):
        await pause.reached.wait()
        await wait_for_mutations()
        assert not working.done()
        pause.over.set()
        await working
