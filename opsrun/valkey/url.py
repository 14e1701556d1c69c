"""The URL of Redis, with the TLS options of redis-py."""

from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from opsrun.certificates import require_authorities, require_own_certificate

# Other options are refused. A socket timeout, for example, would break the wake-ups.
_CHOICES = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}
_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password", *_CHOICES)


def url_parts(value: str, *schemes: str) -> SplitResult | None:
    """Return the URL's parts, or None unless it has one of these schemes and a host."""
    try:
        parts = urlsplit(value)
        is_port_valid = parts.port != 0
    except ValueError:
        return None
    return parts if parts.scheme in schemes and parts.hostname and is_port_valid else None


def require_redis_url(value: SecretStr) -> SecretStr:
    """Return the URL unchanged.

    Raises:
        ValueError: it is not a Redis URL, or an option or its file is not usable.
    """
    parts = url_parts(value.get_secret_value(), "redis", "rediss")
    if parts is None:
        raise ValueError("Not a Redis URL")
    if not unquote(parts.path).strip("/").isdecimal() and parts.path not in ("", "/"):
        raise ValueError("The path must be the number of a database")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= {*_OPTIONS} or not all(options.values()):
        raise ValueError(f"Allowed options, each once and with a value: {', '.join(_OPTIONS)}")
    if options and parts.scheme != "rediss":
        raise ValueError("Options for TLS need rediss:// instead of redis://")
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise ValueError(f"{name} must be {' or '.join(choices)}")
    require_authorities(options, "ssl_ca_certs")
    require_own_certificate(options, "ssl_certfile", "ssl_keyfile", "ssl_password")
    return value
