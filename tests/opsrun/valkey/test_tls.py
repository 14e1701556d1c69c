"""Redis by TLS: wake-ups, budgets and the queue, with a private certificate authority."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis.exceptions import RedisError
from taskiq.message import BrokerMessage

from domain.errors import RateLimitedError
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.valkey.budgets import open_budgets
from opsrun.valkey.wakeups import RedisWakeUps
from tests.conftest import settings_for
from tests.gql.api import running_api
from tests.tls import Authority, TlsProxy
from workers.broker import RunBroker

HOST = "127.0.0.1"
SOON = 10.0


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


def proxy_to(url: str, authority: Authority, host: str = HOST, **how: bool) -> TlsProxy:
    return TlsProxy(urlsplit(url).port or 0, authority.serving(host, **how))


def through(proxy: TlsProxy, url: str, options: str) -> str:
    parts = urlsplit(url)
    return f"rediss://:{parts.password}@{HOST}:{proxy.port}{parts.path}?{options}"


@pytest.fixture
async def tls_url(redis_url: str, ours: Authority) -> AsyncIterator[str]:
    """The URL of a Redis that accepts only TLS."""
    async with proxy_to(redis_url, ours) as proxy:
        yield through(proxy, redis_url, f"ssl_ca_certs={ours.certificate}")
        assert proxy.encrypted


async def test_wake_ups_arrive(tls_url: str) -> None:
    topic = uuid4().hex
    async with RedisWakeUps(tls_url) as here, RedisWakeUps(tls_url) as there:
        async with here.subscribe(topic) as waiter:
            waiting = asyncio.create_task(waiter.wait(SOON))
            there.nudge(topic)
            assert await waiting
        assert here.outages == 0


async def test_cost_is_counted_for_all_processes_together(tls_url: str) -> None:
    user = uuid4()
    async with open_budgets(tls_url, 100) as here, open_budgets(tls_url, 100) as there:
        await here.spend(user, 60)
        with pytest.raises(RateLimitedError):
            await there.spend(user, 60)


async def test_the_queue_carries_messages(tls_url: str) -> None:
    broker = RunBroker(tls_url, queue_name=f"test-{uuid4()}")
    await broker.startup()
    try:
        await broker.kick(BrokerMessage(task_id="1", task_name="t", message=b"hello", labels={}))
        listening = broker.listen()
        async with asyncio.timeout(SOON):
            assert (await anext(listening)).data == b"hello"
        await listening.aclose()
        assert broker.outages == 0
    finally:
        await broker.shutdown()


async def test_the_api_is_ready(
    servers: EmbeddedServers, logins: dict[Login, str], ours: Authority, tmp_path: Path
) -> None:
    async with proxy_to(servers.redis_url, ours) as proxy:
        url = through(proxy, servers.redis_url, f"ssl_ca_certs={ours.certificate}")
        async with running_api(settings_for(logins[Login.API], url, tmp_path)) as api:
            assert (await api.http.get("/readyz")).json()["checks"]["redis"] == "ok"


@pytest.mark.parametrize("fault", ["authority", "host"])
async def test_an_untrusted_server_is_unavailable_and_the_log_shows_why(
    redis_url: str, ours: Authority, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path, "theirs") if fault == "authority" else ours
    host = "redis.example" if fault == "host" else HOST
    async with proxy_to(redis_url, authority, host) as proxy:
        url = through(proxy, redis_url, f"ssl_ca_certs={ours.certificate}")
        async with RedisWakeUps(url) as wakeups:
            with pytest.raises(RedisError, match="certificate verify failed"):
                await wakeups.ping()
            async with asyncio.timeout(SOON):
                while not wakeups.is_away:  # noqa: ASYNC110 - no event to wait for
                    await asyncio.sleep(0.01)
        assert proxy.encrypted == 0
    [record] = [record for record in caplog.records if "Lost the wake-ups" in record.message]
    assert "certificate verify failed" in record.message
    assert not record.exc_info


@pytest.mark.parametrize(
    "options", ["ssl_cert_reqs=none", "ssl_check_hostname=false&ssl_ca_certs={ca}"]
)
async def test_checks_can_be_turned_off(redis_url: str, ours: Authority, options: str) -> None:
    async with proxy_to(redis_url, ours, "redis.example") as proxy:
        url = through(proxy, redis_url, options.format(ca=ours.certificate))
        async with RedisWakeUps(url) as wakeups:
            await wakeups.ping()


async def test_the_client_sends_its_certificate(redis_url: str, ours: Authority) -> None:
    async with proxy_to(redis_url, ours, asks_clients=True) as proxy:
        options = f"ssl_ca_certs={ours.certificate}"
        async with RedisWakeUps(through(proxy, redis_url, options)) as wakeups:
            with pytest.raises((RedisError, OSError)):
                await wakeups.ping()
        certificate, key = ours.issue("opsrun")
        options += f"&ssl_certfile={certificate}&ssl_keyfile={key}"
        async with RedisWakeUps(through(proxy, redis_url, options)) as wakeups:
            await wakeups.ping()
