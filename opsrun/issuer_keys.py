"""The public keys of an OpenID Connect issuer: fetched, kept, and fetched anew as they change."""

import asyncio
import logging
from time import monotonic

import jwt

from domain.errors import UnauthenticatedError

logger = logging.getLogger(__name__)

FETCH_SECONDS = 5.0
# Seconds after which kept keys are fetched anew, while they go on to serve.
REFRESH_SECONDS = 300.0
# Seconds that kept keys serve at most while the issuer cannot be reached.
LIFETIME_SECONDS = 3600.0
# Seconds between two tries, so that invented key ids do not make us a nuisance to the issuer.
PAUSE_SECONDS = 5.0


class IssuerKeys:
    """Looks keys up by their id; only who needs a key that is not there waits for the issuer."""

    def __init__(self, jwks_url: str) -> None:
        self._client = jwt.PyJWKClient(jwks_url, cache_jwk_set=False, timeout=FETCH_SECONDS)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return the key of this id.

        Raises:
            UnauthenticatedError: the issuer has no such key, or cannot be reached.
        """
        now = monotonic()
        if now - self._fetched_at > LIFETIME_SECONDS:
            self._keys = {}
        due = key_id not in self._keys or now - self._fetched_at > REFRESH_SECONDS
        if due and now - self._tried_at > PAUSE_SECONDS:
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())
        if key_id not in self._keys and self._fetching is not None:
            await asyncio.wait([self._fetching])
        if not self._keys:
            raise UnauthenticatedError("Tokens cannot be checked right now. Try again in a moment.")
        if key_id not in self._keys:
            raise UnauthenticatedError("The token is signed with an unknown key. Sign in again.")
        return self._keys[key_id]

    async def _fetch(self) -> None:
        try:
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except Exception as error:  # noqa: BLE001 - whatever it answered, it was no set of keys
            logger.warning("Cannot fetch the issuer's keys from %s: %s", self._client.uri, error)
        else:
            self._keys = {key.key_id: key for key in keys if key.key_id is not None}
            self._fetched_at = monotonic()
