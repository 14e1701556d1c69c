"""Verifies tokens: an OIDC issuer's in production, locally signed ones by default (T4)."""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import jwt

from domain.concurrency.shared_reads import SharedReads
from domain.errors import UnauthenticatedError
from opsrun.auth.issuer_keys import IssuerKeys
from opsrun.auth.token_rules import BAD_TOKEN, FAULTS, TokenRules
from opsrun.settings import LEEWAY_SECONDS, LOCAL_KEY_LENGTH, Settings, SettingsError

if TYPE_CHECKING:
    from gql.context import Identity

LOCAL_ISSUER = "opsrun-local"
LOCAL_AUDIENCE = "opsrun"
# Seconds for which a verified token is cached, and the number of cached tokens.
KEPT_SECONDS = 5.0
_KEPT_TOKENS = 2_000
# Characters. Real tokens are much shorter, and decoding time grows with length.
MAX_TOKEN_LENGTH = 16 * 1024
_LOCAL_ALGORITHM = "HS256"


class LocalTokens:
    """Tokens signed with this installation's local key."""

    def __init__(
        self,
        key: str,
        *,
        leeway: timedelta = timedelta(seconds=LEEWAY_SECONDS),
        memberships_claim: str | None = None,
    ) -> None:
        self._key = key
        self._rules = TokenRules(
            LOCAL_ISSUER, LOCAL_AUDIENCE, [_LOCAL_ALGORITHM], leeway, memberships_claim
        )

    def mint(
        self,
        subject: str,
        *,
        name: str,
        lifetime: timedelta,
        memberships: Sequence[str] = (),
        is_service: bool = False,
    ) -> str:
        """Return a token for a user of the local issuer; that of a service has a `client_id`.

        It claims the `memberships`, each as `slug:ROLE`, if the installation reads that claim.
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
        if is_service:
            claims["client_id"] = subject
        if self._rules.memberships_claim is not None:
            claims[self._rules.memberships_claim] = [*memberships]
        return jwt.encode(claims, self._key, algorithm=_LOCAL_ALGORITHM)

    async def verify(self, token: str) -> "Identity":
        """Return the identity that the token proves.

        Raises:
            UnauthenticatedError: the token is not valid.
        """
        return self._rules.identity(token, self._key)


class OidcTokens:
    """Tokens of an OpenID Connect issuer, whose public keys are at `jwks_url`."""

    def __init__(self, rules: TokenRules, jwks_url: str) -> None:
        self._rules = rules
        self.keys = IssuerKeys(jwks_url)

    async def verify(self, token: str) -> "Identity":
        """Return the identity that the token proves, with the issuer's key that it names.

        Raises:
            UnauthenticatedError: the token is not valid.
            UnavailableError: the issuer's keys cannot be fetched.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header["alg"] not in self._rules.algorithms:
                raise ValueError("alg")
            key_id = str(header["kid"])
        except (KeyError, *FAULTS) as error:
            raise UnauthenticatedError(BAD_TOKEN) from error
        return self._rules.identity(token, await self.keys.find(key_id))


class RecentTokens:
    """Caches verified tokens for some seconds, because clients send the same token each time."""

    def __init__(self, tokens: LocalTokens | OidcTokens) -> None:
        self._verified = SharedReads(tokens.verify, capacity=_KEPT_TOKENS)

    async def verify(self, token: str) -> "Identity":
        """Verify the token, unless that succeeded in the last `KEPT_SECONDS`.

        The caller must check the identity's `expires_at`.
        """
        return await self._verified.get(token, max_age=KEPT_SECONDS)


Tokens = LocalTokens | OidcTokens | RecentTokens


def bearer(authorization: object) -> str:
    """Return the token of an Authorization header.

    Raises:
        UnauthenticatedError: the token is missing or too long.
    """
    scheme, _, token = str(authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer …`.")
    if len(token) > MAX_TOKEN_LENGTH:
        raise UnauthenticatedError(f"A token has at most {MAX_TOKEN_LENGTH} characters.")
    return token.strip()


def trusted_issuer(settings: Settings) -> str:
    """Return the issuer of the tokens that this installation accepts."""
    return settings.oidc_issuer or LOCAL_ISSUER


def local_tokens(settings: Settings) -> LocalTokens:
    """Return the local issuer. Without OPSRUN_LOCAL_KEY, its key is created when first used.

    Raises:
        SettingsError: an OIDC issuer is configured.
    """
    if settings.oidc_issuer is not None:
        raise SettingsError(
            "OPSRUN_OIDC_ISSUER is set, so only that issuer's tokens are accepted, not local ones."
            " Get a token from it, or unset the OPSRUN_OIDC_… settings."
        )
    if settings.local_key is not None:
        key = settings.local_key.get_secret_value()
    else:
        key = kept_key(settings.data_folder / "local-token.key")
    return LocalTokens(
        key, leeway=settings.token_leeway, memberships_claim=settings.trusted_memberships_claim
    )


def tokens(settings: Settings) -> LocalTokens | OidcTokens:
    """Return the verifier for the configured issuer."""
    if settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url:
        rules = TokenRules(
            settings.oidc_issuer,
            settings.oidc_audience,
            settings.oidc_algorithms,
            settings.token_leeway,
            settings.trusted_memberships_claim,
        )
        return OidcTokens(rules, str(settings.oidc_jwks_url))
    return local_tokens(settings)


def kept_key(path: Path) -> str:
    """Return the secret in a file that only this user can read; create it if necessary.

    Raises:
        SettingsError: the file cannot be created or read, or does not contain a key.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"Cannot store a key in {path} (OPSRUN_DATA_FOLDER): {error}"
        ) from error
    if len(key) < LOCAL_KEY_LENGTH:
        raise SettingsError(f"{path} does not contain a key. Delete it to get a new one.")
    return key


def _make_key(path: Path) -> None:
    """Create the file with a key atomically, unless another process has just created it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.") as fresh:
        fresh.write(secrets.token_urlsafe(48))
        fresh.flush()
        os.fsync(fresh.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(fresh.name)
