"""GraphiQL from our own files: no CDN, no request to anybody else."""

import os
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HEADERS = {
    # GraphiQL sets style attributes, and its style sheet holds three small images.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


class GraphiQLPage(StaticFiles):
    """The page and its files; nothing in them is secret, so nobody has to sign in."""

    def __init__(self) -> None:
        super().__init__(directory=Path(__file__).with_name("graphiql_files"), html=True)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return one file under a policy that keeps the page from talking to others."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


def graphiql_routes(path: str = "/graphiql") -> list[Mount]:
    """Return the routes of the page; it finds the endpoint beside it, at `../graphql`."""
    return [Mount(path, GraphiQLPage(), name="graphiql")]
