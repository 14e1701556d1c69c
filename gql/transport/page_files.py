"""The files of web pages, with a policy that keeps the pages from contacting other hosts."""

import os
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HEADERS = {
    # GraphiQL's editor and the hub's components add style elements while they run, and a file has
    # no nonce that would allow only those. Their styles hold small images.
    # 'self' allows WebSockets to the page's own host as well; in Safari since version 16.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "connect-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageFiles(StaticFiles):
    """A page and its files; they hold no secrets, so they need no sign-in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return one file, with the security headers."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response
