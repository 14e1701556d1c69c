"""From a token to an identity: OIDC in production, a locally signed key on the default (T4)."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Protocol

import jwt

from domain.concurrency.shared_reads import SharedReads
from domain.errors import UnauthenticatedError
from opsrun.auth.issuer_keys import IssuerKeys
from opsrun.auth.token_rules import BAD_TOKEN, FAULTS, TokenRules
from opsrun.settings import (
    LEEWAY_SECONDS,
    LOCAL_KEY_LENGTH,
    OIDC_ALGORITHMS,
    Settings,
    SettingsError,
)

if TYPE_CHECKING:
    from gql.context import Identity

LOCAL_ISSUER = "opsrun-local"
LOCAL_AUDIENCE = "opsrun"
# Seconds for which a good token is not verified again, and how many such tokens are kept.
KEPT_SECONDS = 5.0
_KEPT_TOKENS = 2_000
# Far above what issuers make; decoding takes time by length.
MAX_TOKEN_LENGTH = 16 * 1024
_LOCAL_ALGORITHM = "HS256"


class Tokens(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> "Identity":
        """Return who the token speaks for.

        Raises:
            UnauthenticatedError: for any fault of the token.
            UnavailableError: it cannot be checked just now.
        """
        ...


class LocalTokens:
    """Tokens signed with a key that this installation keeps."""

    def __init__(
        self,
        key: str,
        *,
        leeway: timedelta = timedelta(seconds=LEEWAY_SECONDS),
        memberships_claim: str | None = None,
    ) -> None:
        self._key = key
        self._trust = TokenRules(
            LOCAL_ISSUER, LOCAL_AUDIENCE, [_LOCAL_ALGORITHM], leeway, memberships_claim
        )

    def mint(
        self,
        subject: str,
        *,
        name: str,
        lifetime: timedelta,
        memberships: Sequence[str] = (),
    ) -> str:
        """Return a token for a user of the local issuer.

        `memberships`, each as `slug:ROLE`, are claimed where the claim counts.
        """
        now = datetime.now(UTC)
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": LOCAL_AUDIENCE,
            "sub": subject,
            "name": name,
            "iat": now,
            "exp": now + lifetime,
        }
        if self._trust.memberships_claim is not None:
            claims[self._trust.memberships_claim] = [*memberships]
        return jwt.encode(claims, self._key, algorithm=_LOCAL_ALGORITHM)

    async def verify(self, token: str) -> "Identity":
        """Check the token, with our key."""
        return self._trust.identity(token, self._key)


class OidcTokens:
    """Tokens of an OpenID Connect issuer."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        jwks_url: str,
        *,
        algorithms: Sequence[str] = OIDC_ALGORITHMS,
        leeway: timedelta = timedelta(seconds=LEEWAY_SECONDS),
        memberships_claim: str | None = None,
    ) -> None:
        self._trust = TokenRules(issuer, audience, algorithms, leeway, memberships_claim)
        self.keys = IssuerKeys(jwks_url)

    async def verify(self, token: str) -> "Identity":
        """Check the token, with the issuer's key that it names.

        Raises:
            UnauthenticatedError: for any fault of the token.
            UnavailableError: the issuer's keys cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in self._trust.algorithms:
                raise ValueError("alg")
            key_id = str(header["kid"])
        except (KeyError, *FAULTS) as error:
            raise UnauthenticatedError(BAD_TOKEN) from error
        return self._trust.identity(token, await self.keys.find(key_id))


class RecentTokens:
    """Keeps who a token speaks for, for some seconds: clients send the same one each time."""

    def __init__(self, tokens: Tokens) -> None:
        self._verified = SharedReads(tokens.verify, capacity=_KEPT_TOKENS)

    async def verify(self, token: str) -> "Identity":
        """Check the token unless it was good `KEPT_SECONDS` ago.

        That it has not expired is for the caller to check, by the identity's `expires_at`.
        """
        return await self._verified.get(token, max_age=KEPT_SECONDS)


def bearer(authorization: object) -> str:
    """Return the token of an Authorization value.

    Raises:
        UnauthenticatedError: there is none, or one longer than any issuer's.
    """
    scheme, _, token = str(authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer …`.")
    if len(token) > MAX_TOKEN_LENGTH:
        raise UnauthenticatedError(f"A token has at most {MAX_TOKEN_LENGTH} characters.")
    return token.strip()


def trusted_issuer(settings: Settings) -> str:
    """Return whose tokens are trusted here."""
    return settings.oidc_issuer or LOCAL_ISSUER


def local_tokens(settings: Settings) -> LocalTokens:
    """Return the local issuer; its key is made on first use when no setting holds one.

    Raises:
        SettingsError: another issuer's tokens are trusted here.
    """
    if settings.oidc_issuer is not None:
        raise SettingsError(
            "OPSRUN_OIDC_ISSUER is set, so its tokens are trusted here and no local ones."
            " Get a token there, or unset the OPSRUN_OIDC_… settings."
        )
    if settings.local_key is not None:
        key = settings.local_key.get_secret_value()
    else:
        key = kept_key(settings.data_folder / "local-token.key")
    return LocalTokens(
        key, leeway=settings.token_leeway, memberships_claim=settings.trusted_memberships_claim
    )


def tokens(settings: Settings) -> Tokens:
    """Return what verifies this installation's tokens."""
    if settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url:
        return OidcTokens(
            settings.oidc_issuer,
            settings.oidc_audience,
            str(settings.oidc_jwks_url),
            algorithms=settings.oidc_algorithms,
            leeway=settings.token_leeway,
            memberships_claim=settings.trusted_memberships_claim,
        )
    return local_tokens(settings)


def kept_key(path: Path) -> str:
    """Return the secret in a file that only we can read, made on first use.

    Raises:
        SettingsError: the file cannot be made or read, or holds no key.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"Cannot keep a key in {path} (OPSRUN_DATA_FOLDER): {error}") from error
    if len(key) < LOCAL_KEY_LENGTH:
        raise SettingsError(f"{path} holds no key. Delete it to get a new one.")
    return key


def _make_key(path: Path) -> None:
    """Let the whole key appear at once, whoever else makes one; the first one stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.") as fresh:
        fresh.write(secrets.token_urlsafe(48))
        fresh.flush()
        os.fsync(fresh.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(fresh.name)
