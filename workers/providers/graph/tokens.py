"""Sign in to Microsoft Entra as an app, and keep its token."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import httpx

from domain.inventory.provider import ProviderCall
from domain.runs.failures import ProducerError
from domain.tenancy.providers import CredentialKind, GraphSettings
from workers.bounded_threads import BoundedThreads, ThreadsExhaustedError, ThreadTimeoutError
from workers.providers.graph.clouds import Endpoints
from workers.providers.graph.failures import not_configured, unauthorized, unavailable
from workers.providers.graph.retries import seconds_to_wait

logger = logging.getLogger(__name__)

# Seconds before its end at which a token is renewed.
_EARLY = 300.0
_MAX_TRIES = 3
_TIMEOUT = 10.0
_MAX_CREDENTIAL_BYTES = 64 * 1024
# An app has one thread, because it acquires one token at a time.
_THREADS = BoundedThreads(4 * _TIMEOUT, per_group=1)
_ENTRA_CODE = re.compile(r"AADSTS\d{1,10}")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.S)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    text: str
    renewed_at: float


class Tokens:
    """The tokens of the apps that a process signs in as.

    It acquires one token at a time for each app. The credential is read at each acquisition, so a
    renewed one needs no restart.
    """

    def __init__(self, http: Callable[[], httpx.Client]) -> None:
        """Acquire tokens with clients that `http` makes, one for each acquisition."""
        self._http = http
        self._tokens: dict[GraphSettings, _Token] = {}
        self._locks: dict[GraphSettings, asyncio.Lock] = {}

    async def token(
        self,
        settings: GraphSettings,
        endpoints: Endpoints,
        call: ProviderCall,
        *,
        rejected: str | None = None,
    ) -> str:
        """Return a token; a new one if Graph rejected the one before.

        Raises:
            ProducerError: PROVIDER_NOT_CONFIGURED without the credential, PROVIDER_UNAUTHORIZED if
                Entra refuses it, PROVIDER_UNAVAILABLE if Entra does not answer.
        """
        for tries in range(1, _MAX_TRIES + 1):
            async with self._locks.setdefault(settings, asyncio.Lock()):
                known = self._tokens.get(settings)
                if known and known.text != rejected and known.renewed_at > monotonic():
                    return known.text
                answer = await self._in_thread(settings, endpoints)
                if isinstance(answer, _Token):
                    self._tokens[settings] = answer
                    return answer.text
            # Without the lock: a run that waits leaves its slot, and the run that takes the slot
            # may need this lock.
            if tries < _MAX_TRIES:
                seconds = seconds_to_wait(answer.headers, tries)
                await call.wait(seconds, "Microsoft Entra does not issue a token at the moment.")
        raise unavailable(f"Microsoft Entra issued no token in {_MAX_TRIES} tries.")

    async def _in_thread(self, settings: GraphSettings, endpoints: Endpoints) -> "_Token | _NotNow":
        try:
            return await _THREADS.run(settings, lambda: self._acquire(settings, endpoints))
        except (ThreadTimeoutError, ThreadsExhaustedError):
            return _NotNow({})

    def _acquire(self, settings: GraphSettings, endpoints: Endpoints) -> "_Token | _NotNow":
        credential = _credential(settings)
        with self._http() as client:
            http = _Http(client)
            try:
                # Imported here, so that only workers that use it take the time.
                import msal

                # A new app each time, because msal repeats errors of an app from memory.
                app = msal.ConfidentialClientApplication(
                    settings.client,
                    client_credential=credential,
                    authority=f"{endpoints.authority}/{settings.tenant}",
                    http_client=http,
                    instance_discovery=False,
                )
                answer = app.acquire_token_for_client([f"{endpoints.graph}/.default"])
            except httpx.HTTPError:
                return _NotNow({})
            except Exception as error:  # noqa: BLE001 - it may quote the credential
                if http.is_out_of_order:
                    return _NotNow(http.headers)
                raise _not_signed_in(settings, http, error) from None
        if "access_token" in answer:
            seconds = float(answer.get("expires_in") or 0)
            return _Token(answer["access_token"], monotonic() + max(seconds - _EARLY, 1.0))
        if http.is_out_of_order:
            return _NotNow(http.headers)
        raise _refused(settings, answer)


@dataclass(frozen=True, slots=True)
class _NotNow:
    """Entra may issue a token later."""

    headers: Mapping[str, str]


class _Http:
    """What msal needs of an HTTP client; it remembers the last answer."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.status = 0
        self.headers: Mapping[str, str] = {}

    @property
    def is_out_of_order(self) -> bool:
        return self.status == 429 or self.status >= 500

    def get(self, url: str, *, params: Any = None, headers: Any = None, **_: Any) -> httpx.Response:
        return self._seen(self._client.get(url, params=params, headers=headers))

    def post(
        self, url: str, *, params: Any = None, data: Any = None, headers: Any = None, **_: Any
    ) -> httpx.Response:
        # httpx would write `b'…'` for the bytes of an assertion.
        form = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in (data or {}).items()
        }
        return self._seen(self._client.post(url, params=params, data=form, headers=headers))

    def close(self) -> None:
        """Leave the client to its owner."""

    def _seen(self, response: httpx.Response) -> httpx.Response:
        self.status, self.headers = response.status_code, response.headers
        return response


def _credential(settings: GraphSettings) -> Any:
    text = _read(settings)
    match settings.credential:
        case CredentialKind.SECRET:
            return text
        case CredentialKind.FEDERATED_TOKEN:
            return {"client_assertion": lambda: text}
        case CredentialKind.CERTIFICATE:
            key, certificates = _KEY.search(text), _CERTIFICATE.findall(text)
            if key is None or not certificates:
                raise not_configured(
                    f"{settings.reference} does not hold a private key and its certificate in PEM"
                    " form. The operator corrects it."
                )
            # With the certificate and no thumbprint, msal signs with PS256 and sends x5t#S256.
            return {"private_key": key[0], "public_certificate": "\n".join(certificates)}


def _read(settings: GraphSettings) -> str:
    kind, _, name = settings.reference.partition(":")
    try:
        if kind == "env":
            text = os.environ.get(name, "")
        else:
            with Path(name).open("rb") as file:
                text = file.read(_MAX_CREDENTIAL_BYTES).decode()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        what = os.strerror(error.errno or 0) if isinstance(error, OSError) else "not text"
        raise not_configured(
            f"The credential in {settings.reference} cannot be read by this worker: {what}."
        ) from None
    if not text.strip():
        raise not_configured(
            f"The credential in {settings.reference} is not set, or empty, on this worker."
        )
    return text.strip()


def _not_signed_in(settings: GraphSettings, http: _Http, error: Exception) -> ProducerError:
    logger.warning("The sign-in as app %s failed: %s", settings.client, type(error).__name__)
    if http.status in (400, 404):
        return unauthorized(
            f"Microsoft Entra does not know the tenant {settings.tenant} in the cloud"
            f" {settings.cloud}. The operator corrects it with `opsrun tenant`."
        )
    return not_configured(
        f"The {settings.credential} in {settings.reference} cannot be used to sign in. The operator"
        " corrects it."
    )


def _refused(settings: GraphSettings, answer: Mapping[str, Any]) -> ProducerError:
    description = str(answer.get("error_description", ""))
    code = _ENTRA_CODE.search(description)
    meaning = _MEANINGS.get(code[0] if code else "", "It was refused")
    return unauthorized(
        f"Microsoft Entra refused the {settings.credential} of app {settings.client}"
        f" ({code[0] if code else str(answer.get('error'))[:50]}): {meaning}."
    )


# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_MEANINGS = {
    "AADSTS65001": "An administrator has not consented, or has withdrawn the consent",
    "AADSTS70021": "No federated credential of the app fits the token",
    "AADSTS700016": "The tenant has no such app",
    "AADSTS700024": "The assertion is not valid at this time; check the worker's clock",
    "AADSTS700027": "The app has no such certificate, or its signature is wrong",
    "AADSTS700211": "No federated credential of the app fits the token's issuer",
    "AADSTS700213": "No federated credential of the app fits the token's subject",
    "AADSTS7000112": "The app is disabled",
    "AADSTS7000215": "The client secret is wrong",
    "AADSTS7000222": "The client secret has expired",
    "AADSTS90002": "There is no such tenant in this cloud",
}
