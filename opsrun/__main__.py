"""The command line: `opsrun --help`.

A command imports what it runs when it runs: it starts sooner, and so does `opsrun dev`,
which starts three of them.
"""

import logging
import os
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import uvloop

from domain.tenancy.models import SLUG
from domain.tenancy.roles import TenantRole
from opsrun.logging import configure_logging
from opsrun.settings import Settings, SettingsError, load_settings
from opsrun.unknown_variables import unknown_variables

SCHEMA_FILE = Path("schema.graphql")

logger = logging.getLogger(__name__)


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Run a command; what a person can mend is told without a trace."""
    from domain.tenancy.transactions import DatabaseUnavailableError
    from opsrun.administration import UnknownTenantError
    from opsrun.database import UnsafeLoginError
    from opsrun.embedded import EmbeddedServerError
    from opsrun.walls import OpenTableError

    try:
        uvloop.run(main)
    except (
        SettingsError,
        UnsafeLoginError,
        OpenTableError,
        EmbeddedServerError,
        UnknownTenantError,
        DatabaseUnavailableError,
    ) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


def _settings() -> Settings:
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    configure_logging(settings.log_level, settings.log_format)
    for warning in unknown_variables(os.environ):
        logger.warning(warning)
    return settings


def _slug(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not SLUG.fullmatch(value):
        raise click.BadParameter("It is part of links: small letters, digits and hyphens.")
    return value


@click.group(context_settings={"max_content_width": 100})
def main() -> None:
    """One record for every background operation, and one live GraphQL API to watch it.

    Settings are environment variables: see docs/operations.md.
    """


@main.command("dev")
@click.option("--stop-with-parent", type=int, metavar="PID", help="Stop when this parent ends.")
@click.option(
    "--exports",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own exports: each subfolder is a scope of one more tenant. Only read.",
)
def dev_command(stop_with_parent: int | None, exports: Path | None) -> None:
    """Run the whole product here: servers of its own, demo data, API, worker, maintenance."""
    from opsrun import dev

    if stop_with_parent is not None:
        dev.stop_with_parent(stop_with_parent)
    settings = _settings()
    if "log_level" not in settings.model_fields_set:
        # Here the terminal shows runs; what the processes log is in their files.
        configure_logging("WARNING", settings.log_format)
    _run(dev.develop(settings, exports))


@main.command()
@click.option("--fd", type=int, metavar="NUMBER", help="Serve on this inherited socket.")
def api(fd: int | None) -> None:
    """Serve the GraphQL API; needs the login opsrun_api."""
    from opsrun.listening import inherited_socket, listening_socket
    from opsrun.serving import serve_api

    async def run() -> None:
        with listening_socket(settings) if fd is None else inherited_socket(fd) as bound:
            await serve_api(settings, bound)

    settings = _settings()
    if settings.oidc_issuer is None:
        logger.warning(
            "OPSRUN_OIDC_ISSUER is not set: tokens signed with a local key are accepted,"
            " which is for development and tests."
        )
    _run(run())


@main.command("dev-api", hidden=True)
@click.option("--fd", type=int, required=True, metavar="NUMBER", help="The inherited socket.")
def dev_api(fd: int) -> None:
    """Serve the API for `opsrun dev`, which starts this: the demo's users sign in by a link."""
    from opsrun.demo_sign_in import sign_in_route
    from opsrun.listening import inherited_socket
    from opsrun.serving import serve_api

    async def run() -> None:
        with inherited_socket(fd) as bound:
            await serve_api(settings, bound, [sign_in_route(settings)])

    settings = _settings()
    _run(run())


@main.command()
def worker() -> None:
    """Execute runs; needs the login opsrun_worker."""
    from opsrun.processes import work

    _run(work(_settings()))


@main.command()
def maintenance() -> None:
    """Dispatch, rescue and purge runs; needs the login opsrun_maintenance."""
    from opsrun.processes import maintain

    _run(maintain(_settings()))


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database to this version's shape; needs a login that may create roles."""
    from opsrun.database import open_engine
    from opsrun.migrations import migrate

    async def run() -> None:
        async with open_engine(settings.require_database_url()) as engine:
            await migrate(engine)

    settings = _settings()
    _run(run())
    click.echo("The database is up to date.")


@main.command()
@click.option(
    "--exports",
    type=click.Path(path_type=Path),
    help="Where to write the exports; `exports` in the data folder if not given.",
)
def seed(exports: Path | None) -> None:
    """Write the demo's tenants, users and exports; needs the login opsrun_maintenance."""
    from opsrun import demo
    from opsrun.administration import open_administration

    async def run() -> None:
        async with open_administration(settings) as transactions:
            await demo.seed(transactions, folder)

    settings = _settings()
    folder = exports or settings.data_folder / demo.EXPORTS_FOLDER
    _run(run())
    click.echo(f"The demo is there; its exports are in {folder}.")


@main.command()
@click.argument("subject")
@click.option("--name", help="The name to show; the subject if not given.")
@click.option("--hours", type=click.IntRange(1, 24 * 365), default=24, show_default=True)
@click.option(
    "--membership",
    "memberships",
    multiple=True,
    metavar="SLUG:ROLE",
    help="Where the user belongs, with OPSRUN_MEMBERSHIPS=claim; may be repeated.",
)
def token(subject: str, name: str | None, hours: int, memberships: tuple[str, ...]) -> None:
    """Print a locally signed token for SUBJECT, as `opsrun token olivia`."""
    from opsrun.auth import local_tokens

    settings = _settings()
    if memberships and settings.memberships != "claim":
        raise click.UsageError("Memberships are in a table here: use `opsrun member`.")
    try:
        tokens = local_tokens(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    lifetime = timedelta(hours=hours)
    click.echo(
        tokens.mint(subject, name=name or subject, lifetime=lifetime, memberships=memberships)
    )


@main.command()
@click.argument("slug", callback=_slug)
@click.option("--name", required=True, help="The display name.")
@click.option(
    "--export-folder",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Its subfolders are the tenant's scopes; the workers must see it too.",
)
def tenant(slug: str, name: str, export_folder: str | None) -> None:
    """Add the tenant SLUG or change it; needs the login opsrun_maintenance."""
    from opsrun.administration import open_administration, save_tenant

    async def run() -> None:
        async with open_administration(settings) as transactions:
            await save_tenant(transactions, slug, name, export_folder)

    settings = _settings()
    _run(run())
    click.echo(f"Saved tenant {slug}.")


@main.command()
@click.argument("tenant")
@click.argument("subject")
@click.option("--role", type=click.Choice([role.value for role in TenantRole]))
@click.option("--remove", is_flag=True, help="Take the role away.")
@click.option("--issuer", help="The token's issuer; the one that is trusted here if not given.")
@click.option("--name", help="The name to show; for a new user the subject if not given.")
@click.option("--email", help="The e-mail address.")
def member(
    tenant: str,
    subject: str,
    *,
    role: str | None,
    remove: bool,
    issuer: str | None,
    name: str | None,
    email: str | None,
) -> None:
    """Give SUBJECT a role in TENANT, or remove it; needs the login opsrun_maintenance."""
    from opsrun import administration
    from opsrun.auth import trusted_issuer

    if (role is None) != remove:
        raise click.UsageError("Give either --role or --remove.")
    settings = _settings()
    trusted = issuer or trusted_issuer(settings)

    async def run() -> None:
        async with administration.open_administration(settings) as transactions:
            user = await administration.find_user(transactions, trusted, subject, name, email)
            if role is not None:
                await administration.save_member(transactions, tenant, user, TenantRole(role))
            elif not await administration.remove_member(transactions, tenant, user):
                raise click.ClickException(
                    f"{subject} of the issuer {trusted} has no role in {tenant}."
                )

    _run(run())
    click.echo(f"{subject} has {role or 'no role'} in {tenant} now.")
    if settings.memberships == "claim":
        click.echo(
            "With OPSRUN_MEMBERSHIPS=claim, as set here, this counts for nobody: the claim"
            f" {settings.memberships_claim!r} of their token does.",
            err=True,
        )


@main.command("tenants")
def list_tenants() -> None:
    """List all tenants by slug, with name and export folder; needs opsrun_maintenance."""
    from opsrun import administration

    async def run() -> None:
        async with administration.open_administration(settings) as transactions:
            for tenant in await administration.tenants(transactions):
                folder = tenant.export_folder or "(no export folder)"
                click.echo(f"{tenant.slug:<20}  {tenant.name:<30}  {folder}")

    settings = _settings()
    _run(run())


@main.command("members")
@click.argument("tenant", callback=_slug)
def list_members(tenant: str) -> None:
    """List role, subject, name and issuer of the members of TENANT; needs opsrun_maintenance."""
    from opsrun import administration

    async def run() -> None:
        async with administration.open_administration(settings) as transactions:
            for member in await administration.members(transactions, tenant):
                user = member.user
                click.echo(f"{member.role:<8}  {user.subject:<30}  {user.name:<30}  {user.issuer}")

    settings = _settings()
    _run(run())
    if settings.memberships == "claim":
        click.echo(
            "With OPSRUN_MEMBERSHIPS=claim, as set here, these roles do not count: the claim"
            f" {settings.memberships_claim!r} of each token does.",
            err=True,
        )


@main.group()
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
    from opsrun import client_documents
    from opsrun.administration import open_administration
    from opsrun.gate import limits

    settings = _settings()
    try:
        found = client_documents.read_documents(files, limits(settings))
    except client_documents.UnusableManifestError as error:
        raise click.ClickException(f"Nothing was registered.\n{error}") from error

    async def run() -> None:
        async with open_administration(settings) as transactions:
            new = await client_documents.register(transactions, found)
            click.echo(f"Registered {new} new documents; {len(found) - new} were there.")

    _run(run())


@documents.command("list")
def list_documents() -> None:
    """Print hash and name of every registered document."""
    from opsrun import client_documents
    from opsrun.administration import open_administration

    async def run() -> None:
        async with open_administration(settings) as transactions:
            for document in await client_documents.registered(transactions):
                click.echo(f"{document.sha256}  {document.name}")

    settings = _settings()
    _run(run())


@documents.command("remove")
@click.argument("sha256")
def remove_document(sha256: str) -> None:
    """Remove the document with the hash SHA256; within a minute no API runs it any more."""
    from opsrun import client_documents
    from opsrun.administration import open_administration

    async def run() -> None:
        async with open_administration(settings) as transactions:
            if not await client_documents.forget(transactions, sha256):
                raise click.ClickException(f"No document has the hash {sha256}.")

    settings = _settings()
    _run(run())
    click.echo(f"Removed {sha256}.")


@main.command()
@click.option("--check", is_flag=True, help="Only tell whether schema.graphql is up to date.")
def schema(*, check: bool) -> None:
    """Write schema.graphql from the code."""
    from gql.schema import schema as built

    text = built.as_str() + "\n"
    if check:
        if not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text(encoding="utf-8") != text:
            raise click.ClickException("schema.graphql is out of date: run `make schema`.")
        return
    SCHEMA_FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
