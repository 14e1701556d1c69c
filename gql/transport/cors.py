"""Cross-origin requests: which pages of others may read what the endpoint answers."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp
from strawberry.http.websocket_origin import normalize_allowed_origins


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return `app` with CORS headers for pages of `origins`, `*` for all; as it is without any.

    Tokens travel in a header that a page sets itself, so cookies and other credentials of
    the browser are never allowed.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        # As for sockets; browsers send lower case, and no usual port.
        allow_origins=normalize_allowed_origins(origins),
        allow_methods=("GET", "POST"),
        allow_headers=(
            "Authorization",
            "Content-Type",
            "Last-Event-ID",
            "X-Request-Id",
            # Who traces sends both, though we go on with the first only.
            "traceparent",
            "tracestate",
        ),
        expose_headers=("Retry-After", "X-Request-Id"),
        max_age=3600,
    )
