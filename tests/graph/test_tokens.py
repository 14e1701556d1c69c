"""Tokens are issued for each kind of credential, and refused as Microsoft Entra refuses them."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate

from tests.graph import Double, graph_double
from tests.graph.client import open_http, request_token
from tests.graph.credentials import ASSERTION_TYPE, Federation, thumbprint
from tests.graph.faults import error, throttled

GROUPS = "/v1.0/groups"


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    async with graph_double() as double:
        yield double


@pytest.fixture
async def http(double: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with open_http(double) as http:
        yield http


def endpoint(double: Double) -> str:
    return f"{double.authority}/{double.tokens.tenant_id}/oauth2/v2.0/token"


def assertion(double: Double, file: Path, algorithm: str = "PS256", **claims: Any) -> str:
    """Return a client assertion that the certificate's key signs."""
    pem = file.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    right = {
        "aud": endpoint(double),
        "iss": double.tokens.client_id,
        "sub": double.tokens.client_id,
        "exp": time.time() + 600,
        "jti": str(uuid4()),
    }
    headers = {"x5t#S256": thumbprint(load_pem_x509_certificate(pem))}
    return jwt.encode(right | claims, key, algorithm, headers)  # type: ignore[arg-type]


async def exchange(http: httpx.AsyncClient, double: Double, token: str) -> httpx.Response:
    return await request_token(
        http, double, client_assertion=token, client_assertion_type=ASSERTION_TYPE
    )


def code_of(answer: httpx.Response) -> int:
    """Return the number of an error in Entra's shape."""
    body = answer.json()
    (code,) = body["error_codes"]
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert {"error", "timestamp", "trace_id", "correlation_id", "error_uri"} <= body.keys()
    return int(code)


async def test_the_configuration_names_the_token_endpoint(
    double: Double, http: httpx.AsyncClient
) -> None:
    path = "/v2.0/.well-known/openid-configuration"
    answer = await http.get(f"/{double.tokens.tenant_id}{path}")
    assert answer.json()["token_endpoint"] == endpoint(double)
    assert code_of(await http.get(f"/{uuid4()}{path}")) == 90002


async def test_the_secret_gives_a_token_that_graph_takes(
    double: Double, http: httpx.AsyncClient
) -> None:
    answer = (await request_token(http, double)).json()
    assert answer["expires_in"] == 3599
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    assert (await http.get(GROUPS, headers=headers)).status_code == 200
    assert double.tokens.issued == [answer["access_token"]]


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_id": "unknown"}, 400, 700016),
        ({"scope": "https://graph.microsoft.com/User.Read"}, 400, 1002012),
        ({"scope": "https://graph.microsoft.us/.default"}, 400, 500011),
        ({"grant_type": "password"}, 400, 70003),
    ],
)
async def test_a_wrong_request_gets_the_number_of_its_error(
    double: Double, http: httpx.AsyncClient, form: dict[str, str], status: int, code: int
) -> None:
    answer = await request_token(http, double, **form)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert double.tokens.issued == []


async def test_withdrawn_consent_and_an_expired_secret_are_errors(
    double: Double, http: httpx.AsyncClient
) -> None:
    double.tokens.consent = False
    assert code_of(await request_token(http, double)) == 65001
    double.tokens.credentials.secret_expired = True
    assert code_of(await request_token(http, double)) == 7000222


async def test_a_certificate_signs_the_assertion(
    double: Double, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = double.tokens.credentials.new_certificate(tmp_path)
    assert (await exchange(http, double, assertion(double, file))).status_code == 200
    for wrong, code in {
        assertion(double, file, "RS256"): 700027,
        assertion(double, file, aud="https://elsewhere.example.com"): 700023,
        assertion(double, file, exp=time.time() - 60): 700024,
        assertion(double, file, sub="someone else"): 700027,
        "not a token": 50027,
    }.items():
        assert code_of(await exchange(http, double, wrong)) == code
    double.tokens.credentials.certificates.clear()
    assert code_of(await exchange(http, double, assertion(double, file))) == 700027


async def test_another_key_does_not_sign_for_the_certificate(
    double: Double, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    credentials = double.tokens.credentials
    first, second = (credentials.new_certificate(tmp_path) for _ in range(2))
    one, other = credentials.certificates
    certificate = credentials.certificates[one]
    credentials.certificates[other] = certificate
    assert (await exchange(http, double, assertion(double, first))).status_code == 200
    assert code_of(await exchange(http, double, assertion(double, second))) == 700027


async def test_a_federated_token_is_exchanged(double: Double, http: httpx.AsyncClient) -> None:
    federation = double.tokens.credentials.federate()
    assert (await exchange(http, double, federation.token())).status_code == 200
    for wrong, code in {
        federation.token(iss="https://unknown.example.com"): 700211,
        federation.token(aud="api://other"): 700212,
        federation.token(sub="system:serviceaccount:other:worker"): 700213,
        federation.token(-60): 700024,
        Federation().token(): 700027,
    }.items():
        assert code_of(await exchange(http, double, wrong)) == code


async def test_a_token_expires_and_can_be_revoked(double: Double, http: httpx.AsyncClient) -> None:
    double.tokens.lifetime = 0
    old = (await request_token(http, double)).json()["access_token"]
    double.tokens.lifetime = 3599
    new = (await request_token(http, double)).json()["access_token"]
    for token, status in ((old, 401), (new, 200), ("made up", 401)):
        answer = await http.get(GROUPS, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
        if status == 401:
            assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    double.tokens.revoke()
    answer = await http.get(GROUPS, headers={"Authorization": f"Bearer {new}"})
    assert answer.status_code == 401


async def test_each_cloud_takes_only_its_own_tokens(
    double: Double, http: httpx.AsyncClient
) -> None:
    for name, cloud in double.clouds.items():
        token = (await request_token(http, double, cloud)).json()["access_token"]
        statuses = {
            other: (
                await http.get(f"{place.url}{GROUPS}", headers={"Authorization": f"Bearer {token}"})
            ).status_code
            for other, place in double.clouds.items()
        }
        assert statuses == {other: 200 if other == name else 401 for other in double.clouds}


async def test_a_missing_permission_is_403(double: Double, http: httpx.AsyncClient) -> None:
    double.tokens.roles = frozenset({"GroupMember.Read.All"})
    token = (await request_token(http, double)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await http.get(GROUPS, headers=headers)).status_code == 200
    answer = await http.get("/beta/deviceManagement/intents", headers=headers)
    assert answer.status_code == 403
    assert "DeviceManagementConfiguration.Read.All" in answer.json()["error"]["message"]


async def test_faults_happen_to_the_token_endpoint_too(
    double: Double, http: httpx.AsyncClient
) -> None:
    double.faults.add("/token", throttled(7))
    double.faults.add("/token", error(502), after=1)
    answers = [await request_token(http, double) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 200, 502, 200]
    assert answers[0].headers["Retry-After"] == "7"
