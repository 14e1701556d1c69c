"""The public keys of an OpenID Connect issuer, cached and refreshed."""

import asyncio
import logging
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING

import jwt
import orjson

from domain.errors import UnauthenticatedError, UnavailableError

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

# Seconds for the whole response.
FETCH_SECONDS = 5.0
MAX_BYTES = 256 * 1024
# Seconds after which cached keys are refreshed in the background.
REFRESH_SECONDS = 300.0
# Seconds after that in which callers do not wait for the refresh. Later, they do, unless the issuer
# is unavailable.
GRACE_SECONDS = 30.0
# Seconds for which cached keys are valid while the issuer cannot be reached.
LIFETIME_SECONDS = 3600.0
# Seconds between two attempts, so that invented key ids cannot cause many requests to the issuer.
PAUSE_SECONDS = 5.0


class IssuerKeys:
    """Finds keys by their ids. A caller waits for the issuer only if the key is missing or old."""

    def __init__(self, jwks_url: str) -> None:
        self._url = jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = self._failed_at = float("-inf")
        self._failure: Exception | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return the key with this id.

        Raises:
            UnauthenticatedError: the issuer has no such key.
            UnavailableError: the issuer cannot be reached, or publishes no keys.
        """
        now = monotonic()
        age = now - self._fetched_at
        if age > LIFETIME_SECONDS:
            self._keys = {}
        if key_id not in self._keys or age > REFRESH_SECONDS:
            self._refresh(now)
        # During an outage, only the first caller waits for the issuer.
        is_old = age > REFRESH_SECONDS + GRACE_SECONDS and now - self._failed_at > GRACE_SECONDS
        if (key_id not in self._keys or is_old) and self._fetching is not None:
            await asyncio.wait([self._fetching])
        if not self._keys:
            raise UnavailableError("Tokens cannot be checked right now. Try again in a moment.")
        if key_id not in self._keys:
            raise UnauthenticatedError("The token is signed with an unknown key. Sign in again.")
        return self._keys[key_id]

    async def require(self) -> None:
        """Raise the error of the last fetch, if it failed; wait only for the first fetch."""
        now = monotonic()
        if self._failure is not None or now - self._fetched_at > REFRESH_SECONDS:
            self._refresh(now)
        if self._failure is None and not self._keys and self._fetching is not None:
            await asyncio.wait([self._fetching])
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    def _refresh(self, now: float) -> None:
        if now - self._tried_at > PAUSE_SECONDS:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = _signing_keys(await _download(self._url))
            if not self._keys:
                raise ValueError("the issuer publishes no signing key with an id")
        except Exception as error:  # noqa: BLE001 - any error means no keys
            self._failure, self._failed_at = error, monotonic()
            logger.warning("Cannot fetch the issuer's keys from %s: %r", self._url, error)
        else:
            self._failure, self._fetched_at = None, monotonic()


def _http_client() -> "httpx.AsyncClient":
    """Return a client; call it in a thread, because it reads all authorities' certificates."""
    # Imported here, because an API with local tokens needs no HTTP client.
    import httpx

    return httpx.AsyncClient()


async def _download(url: str) -> bytes:
    """Return the body of a 200. Redirects are not followed, because they could lead anywhere."""
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = bytearray()
    new_client = await asyncio.to_thread(_http_client)
    async with new_client as client, client.stream("GET", url, headers=plain) as response:
        if response.status_code != HTTPStatus.OK:
            raise ValueError(f"the issuer responded with {response.status_code}")
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError(f"the response is larger than {MAX_BYTES} bytes")
    return bytes(body)


def _signing_keys(answer: bytes) -> dict[str, jwt.PyJWK]:
    """Return the signing keys of a JWK set by their ids; raise an error if it is not a set."""
    published = orjson.loads(answer)
    if not isinstance(published["keys"], list):
        raise TypeError("the response is not a set of keys")
    try:
        usable = jwt.PyJWKSet.from_dict(published).keys
    except jwt.PyJWKSetError:
        usable = []
    return {
        key.key_id: key
        for key in usable
        if isinstance(key.key_id, str) and key.public_key_use in ("sig", None)
    }
