"""What every command of the command line does: read settings, run, and show what went wrong."""

import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any

import click
import uvloop

from domain.tenancy.models import SLUG
from opsrun.settings import Settings, SettingsError, load_settings
from opsrun.telemetry.logging import configure_logging
from opsrun.unknown_variables import unknown_variables

logger = logging.getLogger(__name__)


def run_command(main: Coroutine[Any, Any, None]) -> None:
    """Run a command; an error that a person can fix is shown without a traceback."""
    from domain.tenancy.transactions import DatabaseUnavailableError
    from opsrun.administration import UnknownTenantError
    from opsrun.dev.embedded import EmbeddedServerError
    from opsrun.postgres.engines import UnsafeLoginError
    from opsrun.postgres.row_level_security import OpenTableError

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


def load_command_settings() -> Settings:
    """Return the settings of the environment, with logging set up as they say.

    Raises:
        ClickException: a setting is wrong.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    configure_logging(settings.log_level, settings.log_format)
    for warning in unknown_variables(os.environ):
        logger.warning(warning)
    return settings


def require_slug(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a tenant's slug; the callback of its argument.

    Raises:
        BadParameter: it is not one.
    """
    if not SLUG.fullmatch(value):
        raise click.BadParameter(
            "Use lowercase letters, digits and hyphens; the slug is part of URLs."
        )
    return value
