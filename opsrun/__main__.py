"""The command line: `opsrun --help`.

A command imports its modules only when it runs. So every command starts fast, and no production
process imports `opsrun.dev`.
"""

from opsrun.own_files import require_own_files

# The imports below fail, without saying why, if another package has replaced their modules.
require_own_files()

import gc
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from domain.errors import DeclarationError
from opsrun.commands import load_command_settings, run_command
from opsrun.document_commands import documents
from opsrun.run_commands import reset_feeds, unpark
from opsrun.settings import SettingsError
from opsrun.telemetry.logging import configure_logging
from opsrun.tenant_commands import list_members, list_tenants, member, tenant

SCHEMA_FILE = Path("schema.graphql")

logger = logging.getLogger(__name__)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; print the error of an installed package without a traceback."""
        try:
            return super().invoke(ctx)
        except DeclarationError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"max_content_width": 100})
def main() -> None:
    """One record for every background operation, and one live GraphQL API to watch it.

    Settings are environment variables; see docs/settings.md.
    """
    # Almost nothing that an import creates is garbage, and to look for it takes a fifth of the
    # time. `run_command` collects again.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)


@main.command("dev")
@click.option("--stop-with-parent", type=int, metavar="PID", help="Stop when this parent ends.")
@click.option(
    "--exports",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your own exports: each subfolder becomes a scope of an extra tenant. Read-only.",
)
@click.option(
    "--graph-demo",
    is_flag=True,
    help="Add a tenant that is read from a double of Microsoft Graph; needs a checkout.",
)
def dev_command(stop_with_parent: int | None, exports: Path | None, *, graph_demo: bool) -> None:
    """Run all of Opsrun on this machine, with demo data."""
    from opsrun.dev import command as dev

    if stop_with_parent is not None:
        dev.stop_with_parent(stop_with_parent)
    settings = load_command_settings()
    if "log_level" not in settings.model_fields_set:
        # The terminal shows runs; the processes log to files.
        configure_logging("WARNING", settings.log_format)
    run_command(dev.develop(settings, exports, with_graph=graph_demo))


@main.command()
@click.option("--fd", type=int, metavar="NUMBER", help="Serve on this inherited socket.")
def api(fd: int | None) -> None:
    """Serve the GraphQL API; needs the login opsrun_api."""
    from opsrun.api.listening import inherited_socket, listening_socket
    from opsrun.api.serving import serve_api

    async def run() -> None:
        with listening_socket(settings) if fd is None else inherited_socket(fd) as bound:
            await serve_api(settings, bound)

    settings = load_command_settings()
    if settings.oidc_issuer is None:
        logger.warning(
            "OPSRUN_OIDC_ISSUER is not set: the API accepts tokens signed with a local key,"
            " which is meant for development and tests."
        )
    run_command(run())


@main.command("dev-api", hidden=True)
@click.option("--fd", type=int, required=True, metavar="NUMBER", help="The inherited socket.")
def dev_api(fd: int) -> None:
    """Serve the API for `opsrun dev`, with a route through which demo users sign in."""
    from opsrun.api.listening import inherited_socket
    from opsrun.api.serving import serve_api
    from opsrun.dev.demo_sign_in import sign_in_route

    async def run() -> None:
        with inherited_socket(fd) as bound:
            await serve_api(settings, bound, [sign_in_route(settings)])

    settings = load_command_settings()
    run_command(run())


@main.command()
def worker() -> None:
    """Execute runs; needs the login opsrun_worker."""
    from opsrun.processes import work

    run_command(work(load_command_settings()))


@main.command()
def maintenance() -> None:
    """Dispatch, rescue and purge runs; needs the login opsrun_maintenance."""
    from opsrun.processes import maintain

    run_command(maintain(load_command_settings()))


@main.command("migrate")
def migrate_command() -> None:
    """Migrate the database to this version; needs a login that may create roles."""
    from opsrun.postgres.engines import open_engine
    from opsrun.postgres.migrations import migrate

    async def run() -> None:
        async with open_engine(settings.require_database_url()) as engine:
            await migrate(engine)

    settings = load_command_settings()
    run_command(run())
    click.echo("The database is up to date.")


@main.command()
@click.option(
    "--exports",
    type=click.Path(path_type=Path),
    help="Folder to write the exports to.  [default: `exports` in the data folder]",
)
def seed(exports: Path | None) -> None:
    """Add the demo's tenants, users and exports; needs the login opsrun_maintenance."""
    from opsrun.administration import administer
    from opsrun.dev import demo

    settings = load_command_settings()
    folder = exports or settings.data_folder / demo.EXPORTS_FOLDER
    administer(settings, lambda transactions: demo.seed(transactions, folder))
    click.echo(f"Added the demo; its exports are in {folder}.")


@main.command()
@click.argument("subject")
@click.option("--name", help="Display name.  [default: SUBJECT]")
@click.option(
    "--hours",
    type=click.IntRange(1, 24 * 365),
    default=24,
    show_default=True,
    help="Hours until the token expires.",
)
@click.option(
    "--membership",
    "memberships",
    multiple=True,
    metavar="SLUG:ROLE",
    help="A membership to claim; only with OPSRUN_MEMBERSHIPS=claim. May be repeated.",
)
@click.option("--service", is_flag=True, help="For a service instead of a person.")
def token(
    subject: str, *, name: str | None, hours: int, memberships: tuple[str, ...], service: bool
) -> None:
    """Print a locally signed token for SUBJECT, for example `opsrun token olivia`."""
    from opsrun.auth.tokens import local_tokens

    settings = load_command_settings()
    if memberships and settings.memberships != "claim":
        raise click.UsageError("Memberships are kept in a table here: use `opsrun member`.")
    try:
        tokens = local_tokens(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    lifetime = timedelta(hours=hours)
    click.echo(
        tokens.mint(
            subject,
            name=name or subject,
            lifetime=lifetime,
            memberships=memberships,
            is_service=service,
        )
    )


@main.command()
@click.option("--check", is_flag=True, help="Only check that schema.graphql is up to date.")
@click.option("--subgraph", is_flag=True, help="Print it for Apollo Federation 2 instead.")
def schema(*, check: bool, subgraph: bool) -> None:
    """Write schema.graphql from the code."""
    from gql.federation import subgraph_sdl
    from gql.schema import schema as built

    if subgraph:
        if check:
            raise click.UsageError("Use either --check or --subgraph.")
        click.echo(subgraph_sdl(built), nl=False)
        return
    text = built.as_str() + "\n"
    if check:
        if not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text(encoding="utf-8") != text:
            raise click.ClickException("schema.graphql is out of date: run `opsrun schema`.")
        return
    SCHEMA_FILE.write_text(text, encoding="utf-8")


for command in (tenant, member, list_tenants, list_members, documents, reset_feeds, unpark):
    main.add_command(command)


if __name__ == "__main__":
    main()
