"""The commands for tenants and their members."""

from typing import TYPE_CHECKING

import click

from domain.tenancy.roles import TenantRole
from opsrun.commands import load_command_settings, require_slug
from opsrun.settings import Settings

if TYPE_CHECKING:
    from domain.tenancy.transactions import Transactions


@click.command()
@click.argument("slug", callback=require_slug)
@click.option("--name", required=True, help="The display name.")
@click.option(
    "--export-folder",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Each subfolder is a scope of the tenant. The workers must be able to read it.",
)
def tenant(slug: str, name: str, export_folder: str | None) -> None:
    """Add the tenant SLUG or change it; needs the login opsrun_maintenance."""
    from domain.tenancy import administration
    from opsrun.administration import administer

    administer(
        load_command_settings(),
        lambda transactions: administration.save_tenant(transactions, slug, name, export_folder),
    )
    click.echo(f"Saved tenant {slug}.")


@click.command()
@click.argument("tenant")
@click.argument("subject")
@click.option("--role", type=click.Choice([role.value for role in TenantRole]))
@click.option("--remove", is_flag=True, help="Remove the role.")
@click.option("--service", is_flag=True, help="SUBJECT is a service, not a person.")
@click.option("--issuer", help="The token's issuer; defaults to the trusted one.")
@click.option("--name", help="The display name; a new user's defaults to the subject.")
@click.option("--email", help="The e-mail address.")
def member(
    tenant: str,
    subject: str,
    *,
    role: str | None,
    remove: bool,
    service: bool,
    issuer: str | None,
    name: str | None,
    email: str | None,
) -> None:
    """Set or remove the role of SUBJECT in TENANT; needs the login opsrun_maintenance.

    SUBJECT is the claim `sub` of the tokens of a person or, with --service, of a service. The first
    token may come later.
    """
    from domain.tenancy import administration
    from opsrun.administration import administer
    from opsrun.auth.tokens import trusted_issuer

    if (role is None) != remove:
        raise click.UsageError("Use either --role or --remove.")
    if service and email is not None:
        raise click.UsageError("A service has no e-mail address.")
    settings = load_command_settings()
    trusted = issuer or trusted_issuer(settings)
    who = f"The service {subject}" if service else subject

    async def save(transactions: "Transactions") -> None:
        user = await administration.find_user(
            transactions, trusted, subject, name, email, is_service=service
        )
        if role is not None:
            await administration.save_member(transactions, tenant, user, TenantRole(role))
        elif not await administration.remove_member(transactions, tenant, user):
            raise click.ClickException(f"{who} of the issuer {trusted} has no role in {tenant}.")

    administer(settings, save)
    click.echo(f"{who} has {role or 'no role'} in {tenant} now.")
    _warn_of_claims(settings)


@click.command("tenants")
def list_tenants() -> None:
    """List all tenants by slug, with name and export folder; needs opsrun_maintenance."""
    from domain.tenancy import administration
    from opsrun.administration import administer

    for tenant in administer(load_command_settings(), administration.tenants):
        folder = tenant.export_folder or "(no export folder)"
        click.echo(f"{tenant.slug:<20}  {tenant.name:<30}  {folder}")


@click.command("members")
@click.argument("tenant", callback=require_slug)
def list_members(tenant: str) -> None:
    """List the members of TENANT: role, kind, subject, name, issuer; needs opsrun_maintenance."""
    from domain.tenancy import administration
    from opsrun.administration import administer

    settings = load_command_settings()
    members = administer(
        settings, lambda transactions: administration.members(transactions, tenant)
    )
    for member in members:
        user = member.user
        kind = "service" if user.is_service else "user"
        click.echo(
            f"{member.role:<8}  {kind:<7}  {user.subject:<30}  {user.name:<30}  {user.issuer}"
        )
    _warn_of_claims(settings)


def _warn_of_claims(settings: Settings) -> None:
    if settings.memberships == "claim":
        click.echo(
            "OPSRUN_MEMBERSHIPS=claim is set, so stored roles have no effect: the claim"
            f" {settings.memberships_claim!r} of each token decides.",
            err=True,
        )
