"""The short links of `opsrun dev`: a page exchanges the code in its address for the demo's tokens.

Only `opsrun dev-api`, which `opsrun dev` starts, has this endpoint; `opsrun api` does not.
"""

import base64
import hashlib
import hmac
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from opsrun.auth.tokens import kept_key, local_tokens
from opsrun.dev import demo
from opsrun.settings import Settings

PATH = "/demo/sign-in"
_CODE_BYTES = 10
_TOKEN_LIFETIME = timedelta(days=7)


def sign_in_code(settings: Settings) -> str:
    """Return the code of this data folder: 16 letters and digits, the same at every start.

    Raises:
        SettingsError: no key can be kept in the data folder.
    """
    key = kept_key(settings.data_folder / "demo-sign-in.key").encode()
    digest = hmac.digest(key, b"demo sign-in", hashlib.sha256)
    return base64.b32encode(digest[:_CODE_BYTES]).decode().lower()


def sign_in_route(settings: Settings) -> Route:
    """Return the endpoint; it sends tokens of all demo users to local pages that know the code.

    A page of another site gets nothing: the browser sends the page's site (`Origin`,
    `Sec-Fetch-Site`) and the host name to which it connected (`Host`).
    """
    tokens = local_tokens(settings)
    expected = f"Demo {sign_in_code(settings)}".encode()

    async def sign_in(request: Request) -> Response:
        if not _is_local(request):
            message = "Sign in from this machine, at the address that `opsrun dev` printed."
            return PlainTextResponse(message, 403)
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, expected):
            message = "The code is wrong: open the address that `opsrun dev` printed."
            return PlainTextResponse(message, 403)
        minted = [
            tokens.mint(
                subject,
                name=user.name,
                lifetime=_TOKEN_LIFETIME,
                memberships=demo.memberships(subject),
            )
            for subject, user in demo.USERS.items()
        ]
        return JSONResponse({"tokens": minted}, headers={"Cache-Control": "no-store"})

    return Route(PATH, sign_in, methods=["POST"])


def is_local_url(base: str) -> bool:
    """Return whether a browser can sign in at this address; it must be one of this machine."""
    scheme, _, authority = base.partition("://")
    return scheme == "http" and _is_loopback_name(authority)


def _is_local(request: Request) -> bool:
    host = request.headers.get("host", "")
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and _is_loopback_name(host)
        and request.headers.get("origin") in (None, f"http://{host}")
        and request.headers.get("sec-fetch-site") in (None, "same-origin")
    )


def _is_loopback_name(authority: str) -> bool:
    try:
        host = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
