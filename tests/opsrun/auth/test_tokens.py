"""Valid tokens are accepted and all others refused."""

import asyncio
import base64
import hashlib
import hmac
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from domain.errors import UnauthenticatedError, UnavailableError
from domain.tenancy.models import user_id
from gql.context import Identity
from opsrun.auth import tokens as auth
from opsrun.auth.token_rules import TokenRules
from opsrun.auth.tokens import (
    LOCAL_AUDIENCE,
    LOCAL_ISSUER,
    LocalTokens,
    OidcTokens,
    RecentTokens,
    Tokens,
    bearer,
    kept_key,
    local_tokens,
    tokens,
    trusted_issuer,
)
from opsrun.settings import Settings, SettingsError
from tests.opsrun.auth.issuer import AUDIENCE, ISSUER, Issuer, claims, encoded, serving

KEY = "a key for tests only, of at least 32 characters"
HOUR = timedelta(hours=1)
RULES = TokenRules(ISSUER, AUDIENCE)


async def refusal(tokens: Tokens, token: str) -> str:
    with pytest.raises((UnauthenticatedError, UnavailableError)) as error:
        await tokens.verify(token)
    assert token == "" or token not in str(error.value)
    return str(error.value)


def local_claims(**changes: Any) -> dict[str, Any]:
    return claims(LOCAL_ISSUER, LOCAL_AUDIENCE, **changes)


def signed(key: str = KEY, /, **changes: Any) -> str:
    return jwt.encode(local_claims(**changes), key, algorithm="HS256")


def hs256(header: dict[str, Any], payload: bytes, key: bytes) -> str:
    """Sign claims that a library would refuse."""
    body = f"{encoded(header)}.{encoded(payload)}"
    return f"{body}.{encoded(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


# Local tokens


async def test_a_minted_token_identifies_its_subject() -> None:
    before = datetime.now(UTC)
    minted = LocalTokens(KEY).mint("ada", name="Ada", lifetime=HOUR)
    identity = await LocalTokens(KEY).verify(minted)
    assert identity.user_id == user_id(LOCAL_ISSUER, "ada")
    # Clocks may differ a little, so a token is valid for the leeway too.
    assert before + HOUR - timedelta(seconds=1) <= identity.expires_at
    assert identity.expires_at <= datetime.now(UTC) + HOUR + timedelta(minutes=1)


async def test_two_subjects_are_two_users() -> None:
    ada, bob = (LocalTokens(KEY).mint(name, name="Ada", lifetime=HOUR) for name in ("ada", "bob"))
    assert (await LocalTokens(KEY).verify(ada)).user_id != (
        await LocalTokens(KEY).verify(bob)
    ).user_id


async def test_an_expired_token_is_reported_as_expired() -> None:
    assert "has expired" in await refusal(
        LocalTokens(KEY), signed(exp=datetime.now(UTC) - timedelta(minutes=1))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-product"},
        {"iss": None},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"exp": "1893456000"},
        {"exp": 10**30},
        {"exp": -(10**30)},
        {"exp": float("inf")},
        {"exp": [1]},
        {"exp": True},
        {"exp": -1},
        {"exp": float("nan")},
        {"exp": 253402300799},  # the last second that a date can have
        {"exp": 1e300},
        {"exp": 10**20},
        {"exp": 2**56},  # a year that overflows the platform's own calendar
        {"nbf": datetime.now(UTC) + HOUR},
        {"nbf": "soon"},
        {"nbf": "5"},
        {"nbf": True},
        {"nbf": float("nan")},
        {"nbf": -(2**56)},
        {"nbf": -1e300},
        {"iat": datetime.now(UTC) + HOUR},
        {"iat": [1]},
        {"iat": "5"},
        {"iat": True},
        {"iat": float("-inf")},
        {"iat": -(2**56)},
        {"iat": 10**20},
        {"sub": ""},
        {"sub": "a" * 256},
        {"sub": "ada\0"},
        {"sub": "ada\n"},
        {"sub": "ad\ud800a"},
        {"aud": []},
        {"aud": [LOCAL_AUDIENCE, 7]},
        {"aud": {"is": LOCAL_AUDIENCE}},
        {"iss": LOCAL_ISSUER.upper()},
    ],
)
async def test_a_token_with_a_wrong_or_missing_claim_is_refused(changes: dict[str, Any]) -> None:
    await refusal(LocalTokens(KEY), signed(**changes))


async def test_times_may_have_fractions_and_lie_before_1970() -> None:
    token = signed(exp=4102444800.5, nbf=0.5, iat=-1)
    assert (await LocalTokens(KEY).verify(token)).expires_at.year == 2100


@pytest.mark.parametrize("odd", [{"sub": 7}, {"sub": ["ada"]}, {"iss": [LOCAL_ISSUER]}])
async def test_a_claim_that_is_not_text_is_refused(odd: dict[str, object]) -> None:
    payload = json.dumps({**local_claims(exp=1893456000), **odd}).encode()
    token = hs256({"alg": "HS256", "typ": "JWT"}, payload, KEY.encode())
    await refusal(LocalTokens(KEY), token)


async def test_a_token_of_another_key_is_refused() -> None:
    await refusal(LocalTokens(KEY), signed(KEY[::-1]))


async def test_a_changed_token_is_refused() -> None:
    header, payload, signature = signed().split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"sub": "root"}
    await refusal(LocalTokens(KEY), f"{header}.{encoded(changed)}.{signature}")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_an_unsigned_token_is_refused(algorithm: str) -> None:
    body = f"{encoded({'alg': algorithm})}.{encoded(local_claims(exp=1893456000))}"
    for token in (f"{body}.", f"{body}.{signed().rpartition('.')[2]}"):
        await refusal(LocalTokens(KEY), token)


async def test_a_token_of_another_algorithm_is_refused() -> None:
    await refusal(LocalTokens(KEY), jwt.encode(local_claims(), KEY * 2, algorithm="HS512"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    await refusal(LocalTokens(KEY), jwt.encode(local_claims(), key, algorithm="RS256"))


GARBAGE = {
    "empty": "",
    "word": "garbage",
    "dots": "..",
    "many dots": "." * 1000,
    "not base64": "!!!.???.***",
    "not JSON": f"{encoded(b'{')}.{encoded(b'{')}.",
    "a list": f"{encoded(b'[]')}.{encoded(b'[]')}.",
    "binary": f"{encoded(bytes(range(256)))}.e30.e30",
    "lone surrogate": "\ud800",
    "null characters": "\0.\0.\0",
    "deep header": f"{encoded(nested(100_000))}.e30.e30",
    "no key id": f"{encoded({'alg': 'RS256'})}.e30.e30",
    "no algorithm": f"{encoded({'kid': 'first'})}.e30.e30",
    "odd algorithm": f"{encoded({'alg': ['RS256'], 'kid': 'first'})}.e30.e30",
    "odd critical header": f"{encoded({'alg': 'RS256', 'kid': 'a', 'crit': ['x']})}.e30.e30",
    "odd key id": f"{encoded({'alg': 'HS256', 'kid': ['first']})}.e30.e30",
    "critical header": f"{encoded({'alg': 'HS256', 'crit': ['b64'], 'b64': False})}.e30.e30",
    "huge": "e" * 10_000_000,
}


@pytest.mark.parametrize("token", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_refused(token: str) -> None:
    await refusal(LocalTokens(KEY), token)
    await refusal(OidcTokens(RULES, "http://127.0.0.1:9/keys"), token)


async def test_deep_claims_are_refused() -> None:
    header = {"alg": "HS256", "typ": "JWT"}
    await refusal(LocalTokens(KEY), hs256(header, nested(100_000), KEY.encode()))


# An OpenID Connect issuer


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer):
        yield issuer


@pytest.fixture
def oidc(issuer: Issuer) -> OidcTokens:
    return OidcTokens(RULES, issuer.url)


async def test_a_token_of_the_issuer_identifies_its_subject(
    issuer: Issuer, oidc: OidcTokens
) -> None:
    identity = await oidc.verify(issuer.token())
    assert identity.user_id == user_id(ISSUER, "ada")
    assert identity.user_id != user_id(LOCAL_ISSUER, "ada")


async def test_a_token_for_several_audiences_is_accepted(issuer: Issuer, oidc: OidcTokens) -> None:
    await oidc.verify(issuer.token(aud=["another", AUDIENCE]))


async def test_an_expired_token_of_the_issuer_is_reported_as_expired(
    issuer: Issuer, oidc: OidcTokens
) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    assert "has expired" in await refusal(oidc, issuer.token(exp=past))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ISSUER + "/"},
        {"iss": LOCAL_ISSUER},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
    ],
)
async def test_a_wrong_claim_of_the_issuer_is_refused(
    issuer: Issuer, oidc: OidcTokens, changes: dict[str, Any]
) -> None:
    await refusal(oidc, issuer.token(**changes))


async def test_a_local_token_is_refused_with_an_oidc_issuer(oidc: OidcTokens) -> None:
    await refusal(oidc, signed())


async def test_an_unknown_key_is_refused(issuer: Issuer, oidc: OidcTokens) -> None:
    assert "unknown key" in await refusal(oidc, issuer.token(key_id="invented"))


async def test_a_stranger_who_names_a_known_key_is_refused(
    issuer: Issuer, oidc: OidcTokens
) -> None:
    stranger = Issuer()
    await refusal(oidc, stranger.token(key_id=next(iter(issuer.keys))))


async def test_the_public_key_is_not_accepted_as_a_shared_secret(
    issuer: Issuer, oidc: OidcTokens
) -> None:
    [(key_id, key)] = issuer.keys.items()
    public = key.public_key()
    payload = json.dumps(claims(exp=1893456000)).encode()
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id}
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        RSAAlgorithm.to_jwk(public).encode(),
    ):
        await refusal(oidc, hs256(header, payload, secret))
    unsigned = f"{encoded({'alg': 'none', 'kid': key_id})}.{encoded(payload)}."
    await refusal(oidc, unsigned)


async def test_a_new_key_of_the_issuer_is_accepted(
    issuer: Issuer, oidc: OidcTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrun.auth.issuer_keys.PAUSE_SECONDS", 0.0)
    old = issuer.token()
    await oidc.verify(old)
    issuer.rotate("second")
    await oidc.verify(issuer.token())
    await refusal(oidc, old)


async def test_a_key_inside_the_token_is_not_used(issuer: Issuer, oidc: OidcTokens) -> None:
    [(key_id, _)] = issuer.keys.items()
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    theirs = RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    for header in ({"jwk": theirs}, {"jku": issuer.url + "/theirs"}, {"x5u": issuer.url}):
        headers = {"kid": key_id, **header}
        await refusal(oidc, jwt.encode(claims(), stranger, algorithm="RS256", headers=headers))


@pytest.mark.parametrize(
    "published",
    [
        {"alg": "PS256"},
        {"alg": "RSA-OAEP"},
        {"use": "enc"},
        {"kty": "oct", "k": encoded(KEY.encode())},
    ],
)
async def test_a_key_for_another_purpose_is_not_used(published: dict[str, Any]) -> None:
    issuer = Issuer()
    [(key_id, key)] = issuer.keys.items()
    jwk = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **published}
    issuer.answer = (200, json.dumps({"keys": [jwk]}).encode())
    header = {"alg": "HS256", "kid": key_id}
    with serving(issuer):
        oidc = OidcTokens(RULES, issuer.url)
        await refusal(oidc, issuer.token())
        await refusal(
            oidc, hs256(header, json.dumps(claims(exp=1893456000)).encode(), KEY.encode())
        )


async def test_a_weak_key_is_not_used() -> None:
    issuer = Issuer()
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    issuer.keys = {"weak": weak}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = issuer.token()
    with serving(issuer):
        await refusal(OidcTokens(RULES, issuer.url), token)


async def test_only_listed_algorithms_are_accepted(issuer: Issuer) -> None:
    oidc = OidcTokens(TokenRules(ISSUER, AUDIENCE, ["ES256", "RS512"]), issuer.url)
    requests = issuer.requests
    await refusal(oidc, issuer.token("RS256"))
    assert issuer.requests == requests, "keys are not fetched for a token that is refused anyway"


@pytest.mark.parametrize(("leeway", "is_taken"), [(0, False), (30, False), (120, True)])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
async def test_clocks_may_differ_by_the_leeway(leeway: int, is_taken: bool, claim: str) -> None:
    seconds = -60 if claim == "exp" else 60
    token = signed(**{claim: datetime.now(UTC) + timedelta(seconds=seconds)})
    tokens = LocalTokens(KEY, leeway=timedelta(seconds=leeway))
    if is_taken:
        assert (await tokens.verify(token)).expires_at > datetime.now(UTC)
    else:
        await refusal(tokens, token)


# Roles in a claim

CLAIM = "opsrun_memberships"


@pytest.mark.parametrize(
    ("claim", "read"),
    [
        ({"aurora": "OPERATOR"}, {"aurora": "OPERATOR"}),
        (["aurora:OPERATOR", "borealis:OWNER"], {"aurora": "OPERATOR", "borealis": "OWNER"}),
        ("aurora:OPERATOR", {"aurora": "OPERATOR"}),
        (["aurora:OWNER", "aurora:READONLY"], {"aurora": "OWNER"}),
        (["staff", "aurora:KING", "vpn:x:y", 7, None, ":", "A B:OWNER", "x\0:OWNER"], {}),
        ({"aurora": ["OWNER"], "borealis": None, "a,b": "OWNER", "": "OWNER"}, {}),
        (None, {}),
        (7, {}),
        ([], {}),
    ],
)
async def test_the_claim_contains_the_roles(claim: object, read: dict[str, str]) -> None:
    profile = {"name": "Ada\0 ", "email": "ada@example.com"}
    tokens = LocalTokens(KEY, memberships_claim=CLAIM)
    claimed = (await tokens.verify(signed(**profile, **{CLAIM: claim}))).claimed
    assert claimed is not None
    assert claimed.roles == read
    assert (claimed.name, claimed.email) == ("Ada", "ada@example.com")
    assert claimed.id == user_id(LOCAL_ISSUER, "ada")


@pytest.mark.parametrize("profile", [{}, {"name": 7, "email": []}, {"name": " \0", "email": ""}])
async def test_missing_claims_stay_empty(profile: dict[str, Any]) -> None:
    claimed = (await LocalTokens(KEY, memberships_claim=CLAIM).verify(signed(**profile))).claimed
    assert claimed is not None
    assert (claimed.name, claimed.email, claimed.roles) == (None, None, {})


async def test_a_claim_is_ignored_if_the_table_contains_the_roles() -> None:
    assert (await LocalTokens(KEY).verify(signed(**{CLAIM: {"aurora": "OWNER"}}))).claimed is None


async def test_a_minted_token_claims_the_memberships() -> None:
    tokens = LocalTokens(KEY, memberships_claim=CLAIM)
    minted = tokens.mint("ada", name="Ada", lifetime=HOUR, memberships=["aurora:OWNER"])
    claimed = (await tokens.verify(minted)).claimed
    assert claimed is not None
    assert claimed.roles == {"aurora": "OWNER"}


# An unreachable issuer


async def test_an_unreachable_issuer_means_unavailable() -> None:
    issuer = Issuer()
    with serving(issuer):
        pass
    oidc = OidcTokens(RULES, issuer.url)
    assert "cannot be checked right now" in await refusal(oidc, issuer.token())


# The configured checks


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"local_key": None, **values})


OIDC_SETTINGS = {
    "oidc_issuer": ISSUER,
    "oidc_audience": AUDIENCE,
    "oidc_jwks_url": f"{ISSUER}/keys",
}


async def test_a_configured_issuer_is_the_only_one(tmp_path: Path) -> None:
    trusting = settings(data_folder=tmp_path, **OIDC_SETTINGS)
    assert trusted_issuer(trusting) == ISSUER
    await refusal(tokens(trusting), signed())
    with pytest.raises(SettingsError, match="OPSRUN_OIDC_ISSUER"):
        local_tokens(trusting)
    assert files(tmp_path) == [], "no key is made where none is used"


async def test_the_settings_configure_the_checks(issuer: Issuer, tmp_path: Path) -> None:
    oidc = {
        **OIDC_SETTINGS,
        "oidc_jwks_url": issuer.url,
        "oidc_algorithms": "RS512",
        "token_leeway_seconds": 120,
        "memberships": "claim",
        "memberships_claim": "groups",
    }
    checking = tokens(settings(data_folder=tmp_path, **oidc))
    past = datetime.now(UTC) - timedelta(seconds=60)
    [(key_id, key)] = issuer.keys.items()
    jwk = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "alg": "RS512"}
    issuer.answer = (200, json.dumps({"keys": [jwk]}).encode())
    try:
        identity = await checking.verify(issuer.token("RS512", exp=past, groups=["aurora:OWNER"]))
    finally:
        issuer.answer = None
    assert identity.claimed is not None
    assert identity.claimed.roles == {"aurora": "OWNER"}
    await refusal(checking, issuer.token("RS256"))


async def test_a_configured_key_signs(tmp_path: Path) -> None:
    keyed = settings(data_folder=tmp_path, local_key=KEY)
    assert trusted_issuer(keyed) == LOCAL_ISSUER
    minted = local_tokens(keyed).mint("ada", name="Ada", lifetime=HOUR)
    await LocalTokens(KEY).verify(minted)
    await tokens(keyed).verify(minted)
    assert files(tmp_path) == []


async def test_a_generated_key_survives_a_restart(tmp_path: Path) -> None:
    minted = local_tokens(settings(data_folder=tmp_path)).mint("ada", name="Ada", lifetime=HOUR)
    await tokens(settings(data_folder=tmp_path)).verify(minted)
    await refusal(tokens(settings(data_folder=tmp_path / "another")), minted)


# The generated key


def test_a_generated_key_is_private_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "test.key"
    key = kept_key(path)
    assert len(key) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_key(path) == key
    assert files(path.parent) == [path]
    assert kept_key(tmp_path / "another.key") != key


_RACER = """
import sys
from pathlib import Path
from opsrun.auth.tokens import kept_key
path = Path(sys.argv[1])
for number in range(200):
    sys.stdin.readline()
    print(kept_key(path / str(number)), flush=True)
"""


async def test_concurrent_processes_generate_one_key(tmp_path: Path) -> None:
    racers = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _RACER, str(tmp_path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    try:
        for _ in range(200):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(b"go\n")
            keys = []
            for racer in racers:
                assert racer.stdout is not None
                keys.append(await asyncio.wait_for(racer.stdout.readline(), 20))
            assert len(keys[0]) > 32
            assert keys[0] == keys[1]
    finally:
        for racer in racers:
            racer.kill()
            await racer.communicate()


@pytest.mark.parametrize("content", ["", "\n", "short"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "test.key"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"test\.key does not contain a key. Delete it"):
        kept_key(path)


def test_an_unusable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"OPSRUN_DATA_FOLDER"):
        kept_key(tmp_path / "file" / "test.key")


# The header


def test_a_very_long_token_is_not_decoded() -> None:
    assert bearer(f"Bearer {'e' * 16_000}")
    with pytest.raises(UnauthenticatedError, match="at most 16384 characters"):
        bearer(f"Bearer {'e' * 16_400}")


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER   abc ", "Bearer\u0020abc"])
def test_a_bearer_token_is_read(header: str) -> None:
    assert bearer(header) == "abc"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc", 7, {}])
def test_other_headers_are_not_bearer_tokens(header: object) -> None:
    with pytest.raises(UnauthenticatedError, match="Authorization: Bearer"):
        bearer(header)


class CountingTokens(LocalTokens):
    """Accepts a number as the token of the user with that id, unless the token is withdrawn."""

    def __init__(self) -> None:
        super().__init__("k" * 32)
        self.verified: list[str] = []
        self.withdrawn: set[str] = set()

    async def verify(self, token: str) -> Identity:
        self.verified.append(token)
        if token in self.withdrawn:
            raise UnauthenticatedError("withdrawn")
        return Identity(UUID(int=int(token)), datetime.now(UTC) + timedelta(hours=1))


async def test_a_verified_token_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = CountingTokens()
    recent = RecentTokens(tokens)
    users = [(await recent.verify(token)).user_id.int for token in ("1", "2", "1", "2")]
    assert users == [1, 2, 1, 2]
    assert tokens.verified == ["1", "2"]
    monkeypatch.setattr(auth, "KEPT_SECONDS", -1.0)
    await recent.verify("1")
    assert tokens.verified == ["1", "2", "1"]


async def test_a_rejected_token_is_not_cached() -> None:
    tokens = CountingTokens()
    recent = RecentTokens(tokens)
    tokens.withdrawn.add("1")
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            await recent.verify("1")
    tokens.withdrawn.clear()
    assert await recent.verify("1")
