"""The commands after a restore, and before a return to an earlier release."""

import click

from opsrun.commands import load_command_settings


@click.command("reset-feeds")
def reset_feeds() -> None:
    """Refuse all cursors of clients, after a restore; needs the login opsrun_maintenance."""
    from domain.runs import administration
    from opsrun.administration import administer

    count = administer(load_command_settings(), administration.reset_feeds)
    click.echo(
        f"Reset the feeds of {count} tenants. Clients start over with their next connection."
    )


@click.command()
def unpark() -> None:
    """Make parked runs due, before a return to release 0.1; needs the login opsrun_maintenance."""
    from domain.runs import administration
    from opsrun.administration import administer

    count = administer(load_command_settings(), administration.unpark)
    click.echo(f"Made {count} parked runs due.")
