"""The API with a replica: what clients see while it lags, is away, or is another server."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from domain.runs.failures import ProducerError
from domain.tenancy import replica
from domain.tenancy.replica import Outcome
from gql.ids import encode_id
from opsrun.dev.embedded.port import free_port
from opsrun.postgres.engines import Login
from opsrun.postgres.url import parse_url
from opsrun.settings import SettingsError
from tests.acts import claim, until
from tests.client import SSE, Client
from tests.gql.api import RunningApi, running_api
from tests.standby import Pair
from tests.world import World

WATCH = """subscription($tenant: ID!) { operationRuns(tenantId: $tenant) {
  __typename
  ... on FeedReset { cursor runs { version } }
  ... on OperationRunChanged { cursor run { id version statusBucket counts { processed failed } } }
} }"""
READ = """query($tenant: ID!, $run: ID!) {
  tenant(id: $tenant) {
    operationRuns { nodes { id version statusBucket counts { processed failed } } }
    operationRunFacets { byStatusBucket { statusBucket count } }
  }
  node(id: $run) { ... on OperationRun {
    version
    events(first: 100) { nodes { version } }
    failures { nodes { itemKey } }
  } }
}"""
LIST = """query($tenant: ID!) { tenant(id: $tenant) { operationRuns { nodes { id } } } }"""


@pytest.fixture
async def api(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningApi]:
    """The API with a replica."""
    monkeypatch.setattr(replica, "PATIENCE", 0.5)
    async with running_api(pair.settings) as running:
        yield running


def outcomes(api: RunningApi) -> dict[Outcome, float]:
    """Return the reads so far by outcome, as the API exports them."""
    exported = api.registry.get_sample_value
    return {o: exported("opsrun_replica_reads_total", {"outcome": o}) or 0 for o in Outcome}


async def until_answered(api: RunningApi, world: World) -> None:
    """Wait until the replica answers a list of the tenant's runs."""
    before = outcomes(api)[Outcome.ANSWERED]

    async def is_answered() -> bool:
        await api.member(world).data(LIST, tenant=world.global_id)
        return outcomes(api)[Outcome.ANSWERED] > before

    await until(is_answered)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged about the replica."""
    return [record.message for record in caplog.records if record.name == replica.__name__]


async def until_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def is_logged() -> bool:
        return bool(logged(caplog))

    await until(is_logged)


def count(facets: Any, bucket: str) -> int:
    (counted,) = (row for row in facets["byStatusBucket"] if row["statusBucket"] == bucket)
    return int(counted["count"])


async def require_current(client: Client, world: World, event: Any) -> None:
    """Check that list, facets and detail are at least as new as an event."""
    run = event["run"]
    data = await client.data(READ, tenant=world.global_id, run=run["id"])
    (listed,) = (
        each for each in data["tenant"]["operationRuns"]["nodes"] if each["id"] == run["id"]
    )
    assert listed["version"] >= run["version"]
    assert listed["counts"]["processed"] >= run["counts"]["processed"]
    assert data["node"]["version"] >= run["version"]
    assert data["node"]["events"]["nodes"][-1]["version"] >= run["version"]
    assert len(data["node"]["failures"]["nodes"]) >= run["counts"]["failed"]
    if run["statusBucket"] == "PARTIALLY_SUCCEEDED":
        assert count(data["tenant"]["operationRunFacets"], "PARTIALLY_SUCCEEDED") == 1


async def test_no_read_is_older_than_an_event_that_its_client_has_seen(
    pair: Pair, paired: World, api: RunningApi
) -> None:
    async with running_api(pair.settings) as other_api:
        clients = [each.member(paired) for each in (api, other_api)]
        await until_answered(api, paired)
        await until_answered(other_api, paired)
        before = [outcomes(each)[Outcome.ANSWERED] for each in (api, other_api)]
        async with (
            pair.standby.behind(),
            clients[0].subscribe(SSE, WATCH, {"tenant": paired.global_id}) as stream,
        ):
            assert (await stream.next())["runs"] == []

            async def seen() -> None:
                event = await stream.next()
                for client in clients:
                    await require_current(client, paired, event)

            run = (await paired.start()).run
            await seen()
            execution = await claim(paired, run.id)
            await seen()
            await execution.set_total(3)
            await seen()
            for key in ("a", "b"):
                async with execution.batch() as batch:
                    batch.failed(key, ProducerError("MALFORMED_ITEM", "Not JSON."))
                await seen()
            async with execution.batch() as batch:
                batch.succeeded("c")
            await seen()
            await execution.finish()
            await seen()
            assert [outcomes(each)[Outcome.ANSWERED] for each in (api, other_api)] == before
        await until_answered(api, paired)
        id_ = encode_id("OperationRun", paired.tenant_id, run.id.hex)
        with api.statements() as statements:
            data = await clients[0].data(READ, tenant=paired.global_id, run=id_)
        assert data["node"]["version"] == 7
        # The caller's memberships and the tenant's version; no run.
        assert not [each for each in statements if "operation_run" in each]


async def test_reads_go_on_without_the_replica_and_return_to_it(
    pair: Pair, paired: World, api: RunningApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, replica.__name__)
    client = api.member(paired)
    run = (await paired.start()).run
    id_ = encode_id("OperationRun", paired.tenant_id, run.id.hex)
    await until_answered(api, paired)
    await pair.standby.kill()
    try:
        for _ in range(3):
            data = await client.data(READ, tenant=paired.global_id, run=id_)
            assert data["node"]["version"] == 1
    finally:
        await pair.standby.start()
    await until_answered(api, paired)
    assert [message.partition(":")[0] for message in logged(caplog)] == [
        "Cannot read from the replica",
        "The replica answers again",
    ]


@pytest.mark.parametrize(
    ("login", "complaint"),
    [
        (Login.API, "OPSRUN_REPLICA_URL: This server is not a standby."),
        (Login.WORKER, "lacks the role opsrun_api"),
    ],
)
async def test_a_server_that_must_not_answer_is_not_used(
    pair: Pair, paired: World, caplog: pytest.LogCaptureFixture, login: Login, complaint: str
) -> None:
    url = pair.resources[login].engine.url
    if login is Login.WORKER:
        url = parse_url(pair.standby.url_like(url))
    replica_url = SecretStr(url.set(drivername="postgresql").render_as_string(hide_password=False))
    async with running_api(pair.settings.model_copy(update={"replica_url": replica_url})) as api:
        await until_logged(caplog)
        await api.member(paired).data(LIST, tenant=paired.global_id)
        assert outcomes(api)[Outcome.AWAY] == 1
    (message,) = logged(caplog)
    assert complaint in message


async def test_the_api_starts_without_the_replica(
    pair: Pair, paired: World, caplog: pytest.LogCaptureFixture
) -> None:
    no_server = SecretStr(f"postgresql://opsrun_api@127.0.0.1:{free_port()}/opsrun")
    async with running_api(pair.settings.model_copy(update={"replica_url": no_server})) as api:
        await api.member(paired).data(LIST, tenant=paired.global_id)
        await until_logged(caplog)
    (message,) = logged(caplog)
    assert "OPSRUN_REPLICA_URL: Cannot connect" in message


async def test_a_url_that_is_not_valid_stops_the_api(pair: Pair) -> None:
    settings = pair.settings.model_copy(update={"replica_url": SecretStr("mysql://db/opsrun")})
    with pytest.raises(SettingsError, match="OPSRUN_REPLICA_URL: Not a PostgreSQL URL"):
        async with running_api(settings):
            pass
