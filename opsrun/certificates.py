"""Checks the TLS options of a database or Redis URL, because the drivers' errors name no file."""

import ssl
from collections.abc import Mapping


def require_authorities(options: Mapping[str, str], name: str) -> None:
    """Load the certificates or revocation lists in the file of the option `name`.

    Raises:
        ValueError: the option is set, but its file is not usable; the message explains why.
    """
    if name in options:
        try:
            _context().load_verify_locations(options[name])
        except OSError as error:
            raise _unusable(error, options, name) from error


def require_own_certificate(
    options: Mapping[str, str], certificate: str, key: str, password: str
) -> None:
    """Load the client's certificate and its key from the files of these options.

    Raises:
        ValueError: a file is not usable, or there is a key without a certificate.
    """
    if certificate not in options:
        if key in options:
            raise ValueError(f"{key} needs {certificate} too")
        return
    try:
        # Without this function, the library would ask for the password at the terminal.
        _context().load_cert_chain(
            options[certificate], options.get(key), lambda: options.get(password, "")
        )
    except OSError as error:
        raise _unusable(error, options, certificate, key) from error


def _context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _unusable(error: OSError, options: Mapping[str, str], *names: str) -> ValueError:
    files = " and ".join(f"{name}={options[name]}" for name in names if name in options)
    return ValueError(f"Cannot use {files}: {error.strerror or error}")
