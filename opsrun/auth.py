"""From a token to an identity: OIDC in production, a locally signed key on the default (T4)."""

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from domain.errors import UnauthenticatedError
from domain.tenancy.models import user_id
from opsrun.issuer_keys import IssuerKeys
from opsrun.settings import LOCAL_KEY_LENGTH, Settings, SettingsError

if TYPE_CHECKING:
    from gql.context import Identity

LOCAL_ISSUER = "opsrun-local"
LOCAL_AUDIENCE = "opsrun"
_LOCAL_ALGORITHM = "HS256"
_OIDC_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["exp", "iss", "aud", "sub"]
_LEEWAY = timedelta(seconds=30)
_BAD_TOKEN = "The token is not valid here. Sign in again."  # noqa: S105
# Of a token made to confuse a decoder, or of claims out of every range.
_FAULTS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Tokens(Protocol):
    """Verifies tokens."""

    async def verify(self, token: str) -> "Identity":
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

    async def verify(self, token: str) -> "Identity":
        """Check signature, issuer, audience and times."""
        return _identity(token, self._key, [_LOCAL_ALGORITHM], LOCAL_ISSUER, LOCAL_AUDIENCE)


class OidcTokens:
    """Tokens of an OpenID Connect issuer."""

    def __init__(self, issuer: str, audience: str, jwks_url: str) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = IssuerKeys(jwks_url)

    async def verify(self, token: str) -> "Identity":
        """Check signature, issuer, audience and times."""
        try:
            key_id = str(jwt.get_unverified_header(token)["kid"])
        except (KeyError, *_FAULTS) as error:
            raise UnauthenticatedError(_BAD_TOKEN) from error
        key = await self._keys.find(key_id)
        return _identity(token, key, _OIDC_ALGORITHMS, self._issuer, self._audience)


def _identity(
    token: str, key: Any, algorithms: list[str], issuer: str, audience: str
) -> "Identity":
    # Whoever only mints tokens starts sooner without the schema's library.
    from gql.context import Identity

    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=algorithms,
            issuer=issuer,
            audience=audience,
            leeway=_LEEWAY,
            options={"require": _REQUIRED},
        )
        expires_at = datetime.fromtimestamp(claims["exp"], UTC) + _LEEWAY
        return Identity(user_id(claims["iss"], claims["sub"]), expires_at)
    except jwt.ExpiredSignatureError as error:
        raise UnauthenticatedError("The token has expired. Sign in again.") from error
    except _FAULTS as error:
        raise UnauthenticatedError(_BAD_TOKEN) from error


def bearer(authorization: object) -> str:
    """Return the token of an Authorization value.

    Raises:
        UnauthenticatedError: there is none.
    """
    scheme, _, token = str(authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError("Send a token as `Authorization: Bearer …`.")
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
        return LocalTokens(settings.local_key.get_secret_value())
    return LocalTokens(kept_key(settings.data_folder / "local-token.key"))


def tokens(settings: Settings) -> Tokens:
    """Return what verifies this installation's tokens."""
    if settings.oidc_issuer and settings.oidc_audience and settings.oidc_jwks_url:
        return OidcTokens(settings.oidc_issuer, settings.oidc_audience, str(settings.oidc_jwks_url))
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
