"""GraphiQL from our own files: no CDN, no request to anybody else."""

from pathlib import Path

from starlette.routing import Mount

from gql.transport.pages import PageFiles


def graphiql_routes(path: str = "/graphiql") -> list[Mount]:
    """Return the routes of the page; it finds the endpoint beside it, at `../graphql`."""
    files = PageFiles(Path(__file__).with_name("graphiql_files"))
    return [Mount(path, files, name="graphiql")]
