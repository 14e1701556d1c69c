"""Cross-origin requests: which pages of other origins may read the endpoint's responses."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from strawberry.http.websocket_origin import normalize_allowed_origins


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return `app` with CORS headers for pages of `origins`; `*` allows every origin.

    A page sets the token's header itself, so cookies and other credentials of the browser are
    never allowed.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        # As for WebSockets: browsers send lower case, and no default port.
        allow_origins=normalize_allowed_origins(origins),
        allow_methods=("GET", "POST"),
        allow_headers=(
            "Authorization",
            "Content-Type",
            "Last-Event-ID",
            "X-Request-Id",
            # Tracing clients send both, though the server reads the first only.
            "traceparent",
            "tracestate",
        ),
        expose_headers=("Retry-After", "X-Request-Id"),
        max_age=3600,
    )
