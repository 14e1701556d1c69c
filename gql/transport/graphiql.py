"""GraphiQL, as `make graphiql` builds it: it requests nothing from a CDN or another host."""

from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from gql.transport.page_files import PageFiles

# Where the endpoint redirects a person who opens it in a browser.
GRAPHIQL_PATH = "/graphiql/"


def graphiql_routes() -> list[Mount]:
    """Return the routes of the page; it sends operations to `../graphql`."""
    # The fastest level, because the files are compressed for each request, on the event loop.
    files = GZipMiddleware(PageFiles(Path(__file__).with_name("graphiql_files")), compresslevel=1)
    return [Mount(GRAPHIQL_PATH.rstrip("/"), files, name="graphiql")]
