"""What all commands share: reading the settings, and errors without a traceback."""

import gc
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import uvloop

from domain.tenancy.models import SLUG
from opsrun.errors import OperatorError
from opsrun.settings import Settings, SettingsError, load_settings
from opsrun.telemetry.logging import configure_logging
from opsrun.unknown_variables import unknown_variables

logger = logging.getLogger(__name__)

T = TypeVar("T")


def run_command(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine of a command to its end, and return its result.

    Raises:
        ClickException: an error that the operator can fix; click prints it without a traceback.
    """
    from domain.tenancy.administration import UnknownTenantError
    from domain.tenancy.session import DatabaseUnavailableError

    # The modules stay, so the collector need not look at them.
    gc.freeze()
    gc.enable()
    try:
        return uvloop.run(main)
    except (OperatorError, UnknownTenantError, DatabaseUnavailableError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)


def load_command_settings() -> Settings:
    """Read the settings from the environment, and configure logging.

    Raises:
        ClickException: a setting is invalid.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    configure_logging(settings.log_level, settings.log_format)
    folder = settings.settings_folder
    files = [] if folder is None else [path.name for path in folder.iterdir()]
    for warning in unknown_variables([*os.environ, *files]):
        logger.warning(warning)
    return settings


def require_slug(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Validate the slug of a tenant, as the callback of an argument.

    Raises:
        BadParameter: it is not a slug.
    """
    if not SLUG.fullmatch(value):
        raise click.BadParameter(
            "Use lowercase letters, digits and hyphens; the slug is part of URLs."
        )
    return value
