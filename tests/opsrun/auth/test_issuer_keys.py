"""The issuer's keys: they are refreshed, and stay valid during an outage."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from domain.errors import UnauthenticatedError, UnavailableError
from opsrun.auth import issuer_keys
from opsrun.auth.issuer_keys import IssuerKeys
from tests.opsrun.auth.issuer import Issuer, serving


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "monotonic", clock)
    return clock


@pytest.fixture(scope="module")
def shared() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer):
        yield issuer


@pytest.fixture
def issuer(shared: Issuer) -> Issuer:
    shared.answer = None
    shared.redirect = None
    shared.requests = 0
    shared.keys = {"first": next(iter(shared.keys.values()))}
    return shared


def jwks(changes: dict[str, Any]) -> bytes:
    """Return a key set with one changed key."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return json.dumps({"keys": [{**RSAAlgorithm.to_jwk(public, as_dict=True), **changes}]}).encode()


async def refusal(keys: IssuerKeys, key_id: str) -> str:
    with pytest.raises((UnauthenticatedError, UnavailableError)) as refused:
        await keys.find(key_id)
    # A user with a valid token must stay signed in during the issuer's outage.
    assert isinstance(refused.value, UnavailableError) == ("right now" in str(refused.value))
    return str(refused.value)


async def test_concurrent_lookups_fetch_once(issuer: Issuer) -> None:
    keys = IssuerKeys(issuer.url)
    results = await asyncio.gather(*(keys.find("first") for _ in range(20)))
    assert {key.key_id for key in results} == {"first"}
    assert issuer.requests == 1


async def test_lookups_of_an_unknown_id_are_rate_limited(issuer: Issuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    for invented in range(10):
        assert "unknown key" in await refusal(keys, str(invented))
    assert issuer.requests == 1
    clock.now += issuer_keys.PAUSE_SECONDS + 1
    for invented in range(10):
        assert "unknown key" in await refusal(keys, str(invented))
    assert issuer.requests == 2


async def test_a_new_key_replaces_the_old_one(issuer: Issuer, clock: Clock) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.keys = {"second": issuer.keys["first"]}
    clock.now += issuer_keys.PAUSE_SECONDS + 1
    assert (await keys.find("second")).key_id == "second"
    assert "unknown key" in await refusal(keys, "first")


async def test_a_withdrawn_key_expires_without_a_lookup_of_another(
    issuer: Issuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.keys = {"second": issuer.keys["first"]}
    clock.now += issuer_keys.REFRESH_SECONDS + 1
    await keys.find("first")  # still accepted once, while the new keys are fetched
    async with asyncio.timeout(5):
        while True:
            try:
                await keys.find("first")
            except UnauthenticatedError:
                break
            await asyncio.sleep(0.005)


async def test_a_key_withdrawn_between_lookups_is_refused_at_once(
    issuer: Issuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.keys = {"second": issuer.keys["first"]}
    clock.now += issuer_keys.LIFETIME_SECONDS - 1
    results = await asyncio.gather(*(refusal(keys, "first") for _ in range(3)))
    assert all("unknown key" in message for message in results)


@pytest.mark.parametrize("answer", [b'{"keys": []}', jwks({"kid": "first", "use": "enc"})])
async def test_when_all_keys_are_withdrawn_none_is_kept(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture, answer: bytes
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.answer = (200, answer)
    clock.now += issuer_keys.REFRESH_SECONDS + issuer_keys.GRACE_SECONDS + 1
    assert "cannot be checked right now" in await refusal(keys, "first")
    assert "the issuer publishes no signing key" in caplog.text
    issuer.answer = None
    clock.now += issuer_keys.PAUSE_SECONDS + 1
    assert (await keys.find("first")).key_id == "first"


@pytest.mark.parametrize("answer", [b"{}", b'{"keys": null}', b'{"keys": {}}', b"[]"])
async def test_an_invalid_response_withdraws_no_key(
    issuer: Issuer, clock: Clock, answer: bytes
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.answer = (200, answer)
    clock.now += issuer_keys.REFRESH_SECONDS + issuer_keys.GRACE_SECONDS + 1
    assert (await keys.find("first")).key_id == "first"


async def test_cached_keys_are_valid_during_an_outage_for_a_limited_time(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    issuer.answer = (503, b"")
    clock.now += issuer_keys.LIFETIME_SECONDS - 1
    assert (await keys.find("first")).key_id == "first"
    clock.now += 2 + issuer_keys.PAUSE_SECONDS
    assert "cannot be checked right now" in await refusal(keys, "first")
    assert issuer.url in caplog.text
    issuer.answer = None
    clock.now += issuer_keys.PAUSE_SECONDS + 1
    assert (await keys.find("first")).key_id == "first"


@pytest.mark.parametrize(
    "answer",
    [
        (500, b"oops"),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [{"kty": "?"}]}'),
        (302, b""),
        (200, b"\xff" * 100),
        (200, b"[" * 100_000),
        (200, b'{"keys": [' + b" " * issuer_keys.MAX_BYTES + b"]}"),
        (200, jwks({"kid": "first", "use": "enc"})),
        (200, jwks({"kid": ["first"]})),
        (200, jwks({"kid": None})),
        (200, jwks({"kid": "first", "alg": ["RS256"]})),
        (200, jwks({"kid": "first", "alg": "none"})),
    ],
)
async def test_an_invalid_response_is_logged(
    issuer: Issuer, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    issuer.answer = answer
    assert "cannot be checked right now" in await refusal(IssuerKeys(issuer.url), "first")
    assert "Cannot fetch the issuer's keys" in caplog.text


async def test_an_unusable_key_does_not_affect_the_others(issuer: Issuer) -> None:
    _, good = issuer.published()
    odd = [{"kid": ["odd"], **json.loads(jwks({}))["keys"][0]}, {"kty": "?"}, 7]
    issuer.answer = (200, json.dumps({"keys": [*odd, *json.loads(good)["keys"]]}).encode())
    assert (await IssuerKeys(issuer.url).find("first")).key_id == "first"


async def test_a_redirect_is_not_followed(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    issuer.redirect = issuer.url
    issuer.answer = (302, b"")
    await refusal(IssuerKeys(issuer.url), "first")
    assert issuer.requests == 1
    assert "the issuer responded with 302" in caplog.text


async def test_a_slow_issuer_does_not_delay_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 0.1)

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, asyncio.timeout(5):
        port = server.sockets[0].getsockname()[1]
        keys = IssuerKeys(f"http://127.0.0.1:{port}/keys")
        assert "cannot be checked right now" in await refusal(keys, "first")


async def test_only_the_first_caller_waits_for_a_silent_issuer(
    issuer: Issuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.find("first")
    requested = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requested.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server, asyncio.timeout(5):
        keys._url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        clock.now += issuer_keys.REFRESH_SECONDS + issuer_keys.GRACE_SECONDS + 1
        monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 0.1)
        assert (await keys.find("first")).key_id == "first"
        requested.clear()
        clock.now += issuer_keys.PAUSE_SECONDS + 1
        monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 60.0)
        assert (await keys.find("first")).key_id == "first"
        await requested.wait()
        assert keys._fetching is not None
        keys._fetching.cancel()


async def test_an_unreachable_issuer_is_asked_again_later(clock: Clock) -> None:
    issuer = Issuer()
    with serving(issuer):
        pass
    keys = IssuerKeys(issuer.url)
    assert "cannot be checked right now" in await refusal(keys, "first")
    with serving(issuer):
        keys._url = issuer.url  # the new server has another port
        assert "cannot be checked right now" in await refusal(keys, "first")
        clock.now += issuer_keys.PAUSE_SECONDS + 1
        assert (await keys.find("first")).key_id == "first"


async def test_health_reports_the_last_fetch_and_waits_only_for_the_first(
    issuer: Issuer, clock: Clock
) -> None:
    keys = IssuerKeys(issuer.url)
    await keys.require()
    for answer, pause in (
        ((503, b""), issuer_keys.REFRESH_SECONDS),
        (None, issuer_keys.PAUSE_SECONDS),
    ):
        before, issuer.answer = keys._failure, answer
        clock.now += pause + 1
        with suppress(ValueError):
            await keys.require()
        assert keys._failure is before, "it was not waited for"
        assert keys._fetching is not None
        await keys._fetching
        assert (await keys.find("first")).key_id == "first"
        if answer is not None:
            with pytest.raises(ValueError, match="503"):
                await keys.require()
    await keys.require()
