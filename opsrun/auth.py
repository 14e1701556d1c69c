"""From a token to an identity: OIDC in production, a locally signed key on the default (T4)."""

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import jwt

from domain.errors import UnauthenticatedError
from domain.tenancy.models import user_id
from gql.context import Identity
from opsrun.settings import Settings

LOCAL_ISSUER = "opsrun-local"
LOCAL_AUDIENCE = "opsrun"
_LOCAL_ALGORITHM = "HS256"
_OIDC_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]
_LEEWAY = timedelta(seconds=30)
_BAD_TOKEN = "The token is not valid here. Sign in again."  # noqa: S105


class Tokens(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> Identity:
        """Return who the token speaks for; UnauthenticatedError for any fault of it."""
        ...


class LocalTokens:
    """Tokens signed with a key that this installation keeps."""

    def __init__(self, key: str) -> None:
        self._key = key

    def mint(self, subject: str, *, name: str, lifetime: timedelta) -> str:
        """Return a token for a user of the local issuer."""
        now = datetime.now(UTC)
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": LOCAL_AUDIENCE,
            "sub": subject,
            "name": name,
            "iat": now,
            "exp": now + lifetime,
        }
        return jwt.encode(claims, self._key, algorithm=_LOCAL_ALGORITHM)

    async def verify(self, token: str) -> Identity:
        """Check signature, issuer, audience and times."""
        return _identity(
            _decode(token, self._key, [_LOCAL_ALGORITHM], LOCAL_ISSUER, LOCAL_AUDIENCE)
        )


class OidcTokens:
    """Tokens of an OpenID Connect issuer, whose keys are fetched and kept for five minutes."""

    def __init__(self, issuer: str, audience: str, jwks_url: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = jwt.PyJWKClient(jwks_url, cache_jwk_set=True, lifespan=300, timeout=5)

    async def verify(self, token: str) -> Identity:
        """Check signature, issuer, audience and times."""
        try:
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(_BAD_TOKEN) from error
        return _identity(_decode(token, key, _OIDC_ALGORITHMS, self._issuer, self._audience))


def _decode(
    token: str, key: Any, algorithms: list[str], issuer: str, audience: str
) -> Mapping[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=issuer,
            audience=audience,
            leeway=_LEEWAY,
            options={"require": _REQUIRED},
        )
    except jwt.ExpiredSignatureError as error:
        raise UnauthenticatedError("The token has expired. Sign in again.") from error
    except jwt.PyJWTError as error:
        raise UnauthenticatedError(_BAD_TOKEN) from error


def _identity(claims: Mapping[str, Any]) -> Identity:
    return Identity(
        user_id(claims["iss"], claims["sub"]),
        datetime.fromtimestamp(claims["exp"], UTC) + _LEEWAY,
    )


def bearer(authorization: object) -> str:
    """Return the token of an Authorization value.

    Raises:
        UnauthenticatedError: there is none.
    """
    scheme, _, token = str(authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer …`.")
    return token.strip()


def local_tokens(settings: Settings) -> LocalTokens:
    """Return the local issuer; its key is made on first use when no setting holds one."""
    if settings.local_key is not None:
        return LocalTokens(settings.local_key.get_secret_value())
    return LocalTokens(kept_key(settings.data_folder / "local-token.key"))


def tokens(settings: Settings) -> Tokens:
    """Return what verifies this installation's tokens."""
    if settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url:
        return OidcTokens(settings.oidc_issuer, settings.oidc_audience, str(settings.oidc_jwks_url))
    return local_tokens(settings)


def kept_key(path: Path) -> str:
    """Return the secret in a file that only we can read, made on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text().strip()
