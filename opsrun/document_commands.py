"""The commands for registered documents."""

from pathlib import Path

import click

from opsrun.commands import load_command_settings


@click.group()
def documents() -> None:
    """Register the GraphQL documents of clients; needs the login opsrun_maintenance."""


@documents.command("add")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
def add_documents(files: tuple[Path, ...]) -> None:
    """Register the documents of FILES, all or none.

    A file is the manifest of a client's build (persisted-documents.json, Relay's or Apollo's)
    or a .graphql file with one document. Each document is checked against the schema and limits.
    """
    from domain.documents.service import register
    from gql.documents.manifests import UnusableManifestError, read_documents
    from gql.schema import core_schema
    from opsrun.administration import administer
    from opsrun.api.admission_config import limits

    settings = load_command_settings()
    try:
        documents = read_documents(files, core_schema, limits(settings))
    except UnusableManifestError as error:
        raise click.ClickException(f"Nothing was registered.\n{error}") from error
    new = administer(settings, lambda transactions: register(transactions, documents))
    click.echo(f"Registered {new} new documents; {len(documents) - new} were there.")


@documents.command("list")
def list_documents() -> None:
    """Print the hash and name of every registered document."""
    from domain.documents.service import registered
    from opsrun.administration import administer

    for document in administer(load_command_settings(), registered):
        click.echo(f"{document.sha256}  {document.name}")


@documents.command("remove")
@click.argument("sha256")
def remove_document(sha256: str) -> None:
    """Remove the document with the hash SHA256; within a minute, every API refuses it."""
    from domain.documents.service import forget
    from opsrun.administration import administer

    if not administer(load_command_settings(), lambda transactions: forget(transactions, sha256)):
        raise click.ClickException(f"No document has the hash {sha256}.")
    click.echo(f"Removed {sha256}.")
