"""The commands for tenants and their members."""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from domain.tenancy.providers import (
    ID,
    REFERENCE,
    Cloud,
    CredentialKind,
    DirectorySettings,
    GraphScopes,
    GraphSettings,
    ProviderSettings,
)
from domain.tenancy.roles import TenantRole
from opsrun.commands import load_command_settings, require_slug
from opsrun.settings import Settings

if TYPE_CHECKING:
    from domain.tenancy.transactions import Transactions


def _choice(values: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([value.value for value in values])


def _matching(form: str, expected: str) -> Callable[[Any, Any, str | None], str | None]:
    """Return a callback that refuses other values without repeating them: one may be a secret."""

    def check(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(form, value):
            raise click.BadParameter(f"It must be {expected}.")
        return value

    return check


_id = _matching(ID, "an id or a domain name")
_reference = _matching(REFERENCE, "env:NAME or file:/PATH, not the credential itself")


@click.command()
@click.argument("slug", callback=require_slug)
@click.option("--name", required=True, help="The display name.")
@click.option(
    "--export-folder",
    type=click.Path(exists=True, file_okay=False, resolve_path=True),
    help="Read policies from this folder, which the workers must be able to read. Each subfolder"
    " is a scope.",
)
@click.option(
    "--graph-tenant",
    callback=_id,
    help="Read policies from Microsoft Graph: those of the Entra tenant with this id.",
)
@click.option("--graph-client", callback=_id, help="The client id of the app that reads them.")
@click.option("--graph-cloud", type=_choice(Cloud), help="Microsoft's cloud, by default `global`.")
@click.option(
    "--graph-scopes", type=_choice(GraphScopes), help="What makes up a scope, by default `all`."
)
@click.option(
    "--graph-secret",
    callback=_reference,
    help="Where workers find the app's client secret: env:NAME or file:/PATH.",
)
@click.option(
    "--graph-certificate",
    callback=_reference,
    help="Where they find its certificate and private key (PEM).",
)
@click.option(
    "--graph-federated-token", callback=_reference, help="Where they find its federated token."
)
def tenant(slug: str, name: str, export_folder: str | None, **graph: str | None) -> None:
    """Add the tenant SLUG or change it; needs the login opsrun_maintenance.

    A tenant has one provider of policies. Without an option for one, the tenant keeps its provider.
    """
    from domain.tenancy import administration
    from opsrun.administration import administer

    provider = _provider(export_folder, graph)
    administer(
        load_command_settings(),
        lambda transactions: administration.save_tenant(transactions, slug, name, provider),
    )
    click.echo(f"Saved tenant {slug}.")


def _provider(
    export_folder: str | None, options: Mapping[str, str | None]
) -> ProviderSettings | None:
    values = {name.removeprefix("graph_"): value for name, value in options.items() if value}
    if not values:
        return None if export_folder is None else DirectorySettings(export_folder)
    if export_folder is not None:
        raise click.UsageError("Use either --export-folder or the options of Graph.")
    credentials = {
        kind: reference
        for kind in CredentialKind
        if (reference := values.pop(kind.replace("-", "_"), None))
    }
    if len(credentials) != 1 or not {"tenant", "client"} <= values.keys():
        raise click.UsageError(
            "Microsoft Graph needs --graph-tenant, --graph-client, and one of --graph-secret,"
            " --graph-certificate and --graph-federated-token."
        )
    ((kind, reference),) = credentials.items()
    return GraphSettings.model_validate({**values, "credential": kind, "reference": reference})


@click.command()
@click.argument("tenant")
@click.argument("subject")
@click.option("--role", type=_choice(TenantRole))
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
    """List all tenants by slug, with name and provider; needs opsrun_maintenance."""
    from domain.tenancy import administration
    from opsrun.administration import administer

    for tenant in administer(load_command_settings(), administration.tenants):
        provider = tenant.provider or "(no provider)"
        click.echo(f"{tenant.slug:<20}  {tenant.name:<30}  {provider}")


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
