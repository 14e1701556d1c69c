"""The command line: `opsrun --help`."""

import ctypes
import os
import signal
import sys
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import uvloop

from domain.tenancy.roles import TenantRole
from opsrun import administration, demo, dev, processes
from opsrun.auth import LOCAL_ISSUER, local_tokens
from opsrun.database import Login, UnsafeLoginError, open_engine
from opsrun.embedded import EmbeddedServerError
from opsrun.logging import configure_logging
from opsrun.migrations import migrate
from opsrun.resources import open_resources
from opsrun.settings import Settings, SettingsError, load_settings

SCHEMA_FILE = Path("schema.graphql")

_KNOWN_ERRORS = (
    SettingsError,
    UnsafeLoginError,
    EmbeddedServerError,
    administration.UnknownTenantError,
)


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        uvloop.run(main)
    except _KNOWN_ERRORS as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


def _settings() -> Settings:
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    configure_logging(settings.log_level, settings.log_format)
    return settings


@click.group(context_settings={"max_content_width": 100})
def main() -> None:
    """One record for every background operation, and one live GraphQL API to watch it.

    Settings are environment variables: see docs/operations.md.
    """


@main.command("dev")
@click.option("--stop-with-parent", is_flag=True, help="Stop when the parent process ends.")
def dev_command(*, stop_with_parent: bool) -> None:
    """Run the whole product here: servers of its own, demo data, API, worker, maintenance."""
    if stop_with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit(1)
    _run(dev.develop(_settings()))


@main.command()
def api() -> None:
    """Serve the GraphQL API; needs the login opsrun_api."""
    _run(processes.serve_api(_settings()))


@main.command()
def worker() -> None:
    """Execute runs; needs the login opsrun_worker."""
    _run(processes.work(_settings()))


@main.command()
def maintenance() -> None:
    """Dispatch, rescue and purge runs; needs the login opsrun_maintenance."""
    _run(processes.maintain(_settings()))


@main.command("migrate")
def migrate_command() -> None:
    """Bring the database to this version's shape; needs a login that may create roles."""

    async def run() -> None:
        async with open_engine(_settings().require_database_url()) as engine:
            await migrate(engine)

    _run(run())
    click.echo("The database is up to date.")


@main.command()
@click.option("--exports", type=click.Path(path_type=Path), default=Path(".opsrun/exports"))
def seed(exports: Path) -> None:
    """Write the demo's tenants, users and exports; needs the login opsrun_maintenance."""

    async def run() -> None:
        async with open_resources(_settings(), Login.MAINTENANCE) as resources:
            await demo.seed(resources.transactions, exports)

    _run(run())
    click.echo(f"The demo is there; its exports are in {exports}.")


@main.command()
@click.argument("subject")
@click.option("--name", help="The name to show; the subject if not given.")
@click.option("--hours", type=click.IntRange(1, 24 * 365), default=24, show_default=True)
def token(subject: str, name: str | None, hours: int) -> None:
    """Print a locally signed token for SUBJECT, as `opsrun token olivia`."""
    minted = local_tokens(_settings()).mint(
        subject, name=name or subject, lifetime=timedelta(hours=hours)
    )
    click.echo(minted)


@main.command()
@click.argument("slug")
@click.option("--name", required=True, help="The display name.")
@click.option(
    "--export-folder",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Its subfolders are the tenant's scopes; the workers must see it too.",
)
def tenant(slug: str, name: str, export_folder: str | None) -> None:
    """Add the tenant SLUG or change it; needs the login opsrun_maintenance."""

    async def run() -> None:
        async with open_resources(_settings(), Login.MAINTENANCE) as resources:
            await administration.save_tenant(resources.transactions, slug, name, export_folder)

    _run(run())
    click.echo(f"Saved tenant {slug}.")


@main.command()
@click.argument("tenant")
@click.argument("subject")
@click.option("--role", type=click.Choice([role.value for role in TenantRole]))
@click.option("--remove", is_flag=True, help="Take the role away.")
@click.option("--issuer", default=LOCAL_ISSUER, show_default=True, help="The token's issuer.")
@click.option("--name", help="The name to show; the subject if not given.")
@click.option("--email", help="The e-mail address.")
def member(
    tenant: str,
    subject: str,
    *,
    role: str | None,
    remove: bool,
    issuer: str,
    name: str | None,
    email: str | None,
) -> None:
    """Give SUBJECT a role in TENANT, or remove it; needs the login opsrun_maintenance."""
    if (role is None) != remove:
        raise click.UsageError("Give either --role or --remove.")
    user = administration.User(issuer, subject, name or subject, email)

    async def run() -> None:
        async with open_resources(_settings(), Login.MAINTENANCE) as resources:
            if role is None:
                await administration.remove_member(resources.transactions, tenant, user)
            else:
                await administration.save_member(
                    resources.transactions, tenant, user, TenantRole(role)
                )

    _run(run())
    click.echo(f"{subject} has {'no role' if role is None else role} in {tenant} now.")


@main.command()
@click.option("--check", is_flag=True, help="Only tell whether schema.graphql is up to date.")
def schema(*, check: bool) -> None:
    """Write schema.graphql from the code."""
    from gql.schema import schema as built

    text = built.as_str() + "\n"
    if check:
        if not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text() != text:
            raise click.ClickException("schema.graphql is out of date: run `make schema`.")
        return
    SCHEMA_FILE.write_text(text)


if __name__ == "__main__":
    main()
