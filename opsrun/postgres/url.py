"""The database's URL, with libpq's options for TLS."""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from opsrun.certificates import require_authorities, require_own_certificate
from opsrun.settings import SettingsError

_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_VERIFYING = ("require", "verify-ca", "verify-full")
_OPTIONS = (
    *("sslmode", "sslrootcert", "sslcrl", "sslcert", "sslkey", "sslpassword"),
    *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
)
# libpq's name for the authorities that the operating system trusts.
_SYSTEM = "system"


def parse_url(url: str) -> URL:
    """Return the URL for asyncpg, with libpq's names of the options.

    Raises:
        SettingsError: it is not a PostgreSQL URL, or an option or its file is not usable.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise _refusal(
            "Not a PostgreSQL URL. Expected: postgresql://login:password@host:port/database."
        )
    options = dict(parsed.query)
    # asyncpg's name for it.
    if "ssl" in options and "sslmode" not in options:
        options["sslmode"] = options.pop("ssl")
    # SQLAlchemy silently drops an option without a value, such as one that should require TLS.
    if "=&" in f"{url.partition('?')[2]}&":
        raise _refusal("An option after the `?` has no value.")
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    if texts.keys() != options.keys() or not texts.keys() <= {*_OPTIONS}:
        raise _refusal(
            f"Allowed options, each once: {', '.join(_OPTIONS)};"
            " for example `?sslmode=verify-full&sslrootcert=/path/ca.crt`."
        )
    _require_usable(texts)
    return parsed.set(drivername="postgresql+asyncpg", query=texts)


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return asyncpg's arguments for a URL that `parse_url` returned."""
    arguments = url.translate_connect_args(username="user")
    if url.query.get("sslrootcert") == _SYSTEM:
        arguments["ssl"] = ssl.create_default_context()
    elif url.query:
        # asyncpg reads libpq's options from a DSN only. It reads the files again for each
        # connection, so renewed certificates need no restart.
        arguments["dsn"] = f"postgresql://?{urlencode(url.query)}"
    return arguments


def _require_usable(options: Mapping[str, str]) -> None:
    mode = options.get("sslmode")
    if mode not in (None, *_MODES):
        raise _refusal(f"sslmode must be one of {', '.join(_MODES)}.")
    if options.get("sslrootcert") == _SYSTEM:
        if mode != "verify-full" or len(options) > len({"sslmode", "sslrootcert"}):
            raise _refusal(
                "sslrootcert=system requires sslmode=verify-full and allows no other option."
            )
        return
    if "sslrootcert" in options and mode not in _VERIFYING:
        raise _refusal(
            "With sslrootcert, sslmode must be verify-full, verify-ca or require:"
            " the other modes do not check the server's certificate."
        )
    try:
        require_authorities(options, "sslrootcert")
        require_authorities(options, "sslcrl")
        require_own_certificate(options, "sslcert", "sslkey", "sslpassword")
    except ValueError as error:
        raise _refusal(f"{error}.") from error


def _refusal(reason: str) -> SettingsError:
    return SettingsError(f"OPSRUN_DATABASE_URL: {reason}")
