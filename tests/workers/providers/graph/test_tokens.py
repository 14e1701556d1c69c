"""An app signs in with each kind of credential, and says what is wrong with it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.providers import Cloud, CredentialKind
from tests.graph import Double
from tests.graph.faults import Cut, error, throttled
from tests.workers.providers.graph.reading import SECRET_VARIABLE, Reader, reading
from workers.providers.graph.clouds import CLOUDS, Endpoints
from workers.providers.graph.connections import GraphConnections


async def token(reader: Reader, rejected: str | None = None) -> str:
    return await reader.connections.tokens.token(
        reader.settings,
        reader.connections.endpoints(reader.settings),
        reader.client.call,
        rejected=rejected,
    )


async def failure(reader: Reader) -> ProducerError:
    with pytest.raises(ProducerError) as caught:
        await token(reader)
    assert caught.value.__cause__ is None
    return caught.value


async def test_a_token_is_kept_until_graph_rejects_it(reader: Reader) -> None:
    first = await token(reader)
    assert await token(reader) == first
    second = await token(reader, rejected=first)
    assert second != first
    # Another task that saw the rejection of the first one gets the second.
    assert await token(reader, rejected=first) == second
    assert reader.double.tokens.issued == [first, second]


async def test_a_token_is_renewed_before_it_ends(reader: Reader) -> None:
    reader.double.tokens.lifetime = 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.providers.graph.tokens.monotonic", lambda: 1000.0)
        first = await token(reader)
        assert await token(reader) == first
        patch.setattr("workers.providers.graph.tokens.monotonic", lambda: 1001.0)
        assert await token(reader) != first


async def test_tasks_that_need_a_token_acquire_one(reader: Reader) -> None:
    tokens = await asyncio.gather(*(token(reader) for _ in range(20)))
    assert len(set(tokens)) == len(reader.double.tokens.issued) == 1


async def test_a_certificate_signs_in(double: Double, tmp_path: Path) -> None:
    file = double.tokens.credentials.new_certificate(tmp_path)
    async with reading(
        double, credential=CredentialKind.CERTIFICATE, reference=f"file:{file}"
    ) as reader:
        assert await token(reader) in double.tokens.issued


async def test_a_federated_token_is_read_at_each_use(double: Double, tmp_path: Path) -> None:
    federation, file = double.tokens.credentials.federate(), tmp_path / "token"
    file.write_text(federation.token())
    async with reading(
        double, credential=CredentialKind.FEDERATED_TOKEN, reference=f"file:{file}"
    ) as reader:
        first = await token(reader)
        file.write_text("no token any more")
        with pytest.raises(ProducerError):
            await token(reader, rejected=first)
        file.write_text(federation.token())
        assert await token(reader, rejected=first) != first


async def test_a_renewed_secret_needs_no_restart(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, "an old secret")
    assert (await failure(reader)).reason == FailureReason.PROVIDER_UNAUTHORIZED
    monkeypatch.setenv(SECRET_VARIABLE, reader.double.tokens.secret)
    # msal itself would repeat the refusal from memory for a minute.
    assert await token(reader)


async def test_a_refusal_is_typed_and_not_repeated(reader: Reader) -> None:
    reader.double.tokens.consent = False
    refused = await failure(reader)
    assert refused.reason == FailureReason.PROVIDER_UNAUTHORIZED
    assert "AADSTS65001" in refused.message
    assert "consent" in refused.message
    assert reader.waits.seconds == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"client": "another-app"}, "AADSTS700016"),
        ({"reference": "env:PATH"}, "AADSTS7000215"),
    ],
)
async def test_a_wrong_app_or_secret_is_named(
    double: Double, change: dict[str, str], code: str
) -> None:
    async with reading(double, **change) as reader:
        refused = await failure(reader)
    assert (refused.reason, code in refused.message) == (FailureReason.PROVIDER_UNAUTHORIZED, True)


async def test_an_unknown_tenant_is_named(double: Double) -> None:
    async with reading(double, tenant="nobody.example") as reader:
        refused = await failure(reader)
    assert refused.reason == FailureReason.PROVIDER_UNAUTHORIZED
    assert "nobody.example" in refused.message


async def test_a_credential_that_is_not_there_is_the_operators_task(
    double: Double, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "no.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "bad.pem").write_text(
        "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    )
    for reference, credential in (
        ("env:NO_SUCH_VARIABLE", CredentialKind.SECRET),
        (f"file:{tmp_path}/absent", CredentialKind.SECRET),
        (f"file:{tmp_path}/empty", CredentialKind.FEDERATED_TOKEN),
        (f"file:{tmp_path}/binary", CredentialKind.SECRET),
        (f"file:{tmp_path}/no.pem", CredentialKind.CERTIFICATE),
        (f"file:{tmp_path}/bad.pem", CredentialKind.CERTIFICATE),
    ):
        async with reading(double, credential=credential, reference=reference) as reader:
            refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_NOT_CONFIGURED, reference
        assert reference in refused.message
    assert double.tokens.issued == []


@pytest.mark.parametrize(
    "fault", [throttled(2), throttled(None), error(503), error(500), Cut(), Cut("within")]
)
async def test_a_token_endpoint_that_is_out_of_order_is_tried_again(
    reader: Reader, fault: object
) -> None:
    reader.double.faults.add("/token", fault, times=2)  # type: ignore[arg-type]
    assert await token(reader)
    assert len(reader.waits.seconds) == 2
    reader.double.faults.add("/token", fault, times=None)  # type: ignore[arg-type]
    with pytest.raises(ProducerError) as caught:
        await token(reader, rejected=await token(reader))
    assert caught.value.reason == FailureReason.PROVIDER_UNAVAILABLE
    assert len(reader.waits.seconds) == 4


async def test_a_run_that_waits_for_a_token_does_not_stop_others(reader: Reader) -> None:
    """The run that gets the slot of a waiting run may need a token of the same app."""
    reader.double.faults.add("/token", throttled(5))
    others = []

    async def wait(_seconds: float, _reason: str) -> None:
        async with asyncio.timeout(5):
            others.append(await token(reader))

    endpoints = reader.connections.endpoints(reader.settings)
    call = replace(reader.client.call, wait=wait)
    mine = await reader.connections.tokens.token(reader.settings, endpoints, call)
    assert [mine] == others == reader.double.tokens.issued


async def test_authorities_that_cannot_be_read_are_the_operators_task(
    double: Double, tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    for name in ("absent.pem", "text.pem"):
        async with reading(double) as reader:
            reader.connections.configure(Endpoints(double.authority, double.url), tmp_path / name)
            refused = await failure(reader)
        assert refused.reason == FailureReason.PROVIDER_NOT_CONFIGURED
        assert "OPSRUN_GRAPH_CA_FILE" in refused.message


async def test_an_authority_that_is_away_is_unavailable(double: Double) -> None:
    async with reading(double) as reader:
        reader.connections.configure(
            CLOUDS[Cloud.GLOBAL]._replace(authority="https://127.0.0.1:9"), None
        )
        assert (await failure(reader)).reason == FailureReason.PROVIDER_UNAVAILABLE


async def test_each_cloud_has_its_own_addresses(double: Double) -> None:
    for cloud in Cloud:
        async with reading(double, cloud=cloud) as reader:
            endpoints = GraphConnections().endpoints(reader.settings)
        assert endpoints.graph == double.clouds[cloud].audience
    assert len({endpoints.authority for endpoints in CLOUDS.values()}) == len(Cloud)
