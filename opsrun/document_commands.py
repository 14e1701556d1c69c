"""The commands about clients' registered documents."""

from pathlib import Path

import click

from opsrun.commands import load_command_settings, run_command


@click.group()
def documents() -> None:
    """Register the GraphQL documents of clients; needs the login opsrun_maintenance."""


@documents.command("add")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def add_documents(files: tuple[Path, ...]) -> None:
    """Register the documents of FILES, all or none.

    A file is a client build's manifest (persisted-documents.json, Relay's, Apollo's), or a
    .graphql file with one document. Each is checked against schema and limits.
    """
    from domain.documents.service import register
    from gql.documents.manifests import UnusableManifestError, read_documents
    from gql.schema import core_schema
    from opsrun.administration import open_administration
    from opsrun.api.admission_config import limits

    settings = load_command_settings()
    try:
        documents = read_documents(files, core_schema, limits(settings))
    except UnusableManifestError as error:
        raise click.ClickException(f"Nothing was registered.\n{error}") from error

    async def run() -> None:
        async with open_administration(settings) as transactions:
            new = await register(transactions, documents)
            click.echo(f"Registered {new} new documents; {len(documents) - new} were there.")

    run_command(run())


@documents.command("list")
def list_documents() -> None:
    """Print hash and name of every registered document."""
    from domain.documents.service import registered
    from opsrun.administration import open_administration

    async def run() -> None:
        async with open_administration(settings) as transactions:
            for document in await registered(transactions):
                click.echo(f"{document.sha256}  {document.name}")

    settings = load_command_settings()
    run_command(run())


@documents.command("remove")
@click.argument("sha256")
def remove_document(sha256: str) -> None:
    """Remove the document with the hash SHA256; within a minute no API runs it any more."""
    from domain.documents.service import forget
    from opsrun.administration import open_administration

    async def run() -> None:
        async with open_administration(settings) as transactions:
            if not await forget(transactions, sha256):
                raise click.ClickException(f"No document has the hash {sha256}.")

    settings = load_command_settings()
    run_command(run())
    click.echo(f"Removed {sha256}.")
