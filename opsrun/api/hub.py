"""The hub: the web application at `/`, built from `client-examples/web-hub`."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from gql.transport.page_files import PageFiles
from opsrun.settings import Settings

# The wheel's copy of the built hub; in a checkout, a link to the build.
FILES = Path(__file__).with_name("hub_files")


def hub_folder(settings: Settings) -> Path | None:
    """Return the folder of the built hub, by default this version's; None if it is not built."""
    if settings.hub_folder is None and (FILES / "index.html").is_file():
        return FILES
    return settings.hub_folder


def hub_app(folder: Path) -> ASGIApp:
    """Return the application that serves the built hub. The hub routes its pages in the browser."""
    return GZipMiddleware(_HubFiles(folder))


class _HubFiles(PageFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or not _is_page(path):
                raise
            return await super().get_response("index.html", scope)
        if path.startswith("assets/"):
            # Their names change with their content.
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _is_page(path: str) -> bool:
    """Return whether the hub's router handles this path; files are in assets/ or have a suffix."""
    top = path.partition("/")[0]
    return top != "assets" and "." not in top
