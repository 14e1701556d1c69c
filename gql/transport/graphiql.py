"""GraphiQL, served from local files: it requests nothing from a CDN or another host."""

from pathlib import Path

from starlette.routing import Mount

from gql.transport.page_files import PageFiles


def graphiql_routes(path: str = "/graphiql") -> list[Mount]:
    """Return the routes of the page; it sends operations to `../graphql`."""
    files = PageFiles(Path(__file__).with_name("graphiql_files"))
    return [Mount(path, files, name="graphiql")]
