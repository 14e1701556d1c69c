"""The URL of Redis, with the options for TLS that redis-py knows."""

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from opsrun.certificates import require_authorities, require_own_certificate

# All others are for us to decide: a socket's timeout, say, would break the wake-ups.
_CHOICES = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}
_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password", *_CHOICES)


def url_parts(value: str, *schemes: str) -> SplitResult | None:
    """Return the URL's parts when it has one of these schemes and a host."""
    try:
        parts = urlsplit(value)
        port_is_possible = parts.port != 0
    except ValueError:
        return None
    return parts if parts.scheme in schemes and parts.hostname and port_is_possible else None


def require_redis_url(value: SecretStr) -> SecretStr:
    """Return the URL as it is.

    Raises:
        ValueError: it is not one of Redis, or its options or their files cannot be used.
    """
    parts = url_parts(value.get_secret_value(), "redis", "rediss")
    if parts is None:
        raise ValueError("This is not a Redis URL")
    if not unquote(parts.path).strip("/").isdecimal() and parts.path not in ("", "/"):
        raise ValueError("The path is the number of a database")
    _require_options(parts)
    return value


def _require_options(parts: SplitResult) -> None:
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= {*_OPTIONS} or not all(options.values()):
        raise ValueError(f"After the `?` it takes each of these once: {', '.join(_OPTIONS)}")
    if options and parts.scheme != "rediss":
        raise ValueError("Options for TLS need rediss:// in place of redis://")
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} takes {' or '.join(choices)}")
    require_authorities(options, "ssl_ca_certs")
    require_own_certificate(options, "ssl_certfile", "ssl_keyfile", "ssl_password")
