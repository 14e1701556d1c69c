"""Warnings about environment variables that look like settings, which are usually typos."""

from collections.abc import Iterable
from difflib import get_close_matches

from opsrun.settings import PREFIX, Settings

# The programs in client-examples read these.
_CLIENT_VARIABLES = ("OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT", "OPSRUN_BY_HASH")


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return a warning for each name that begins like a setting but is not one."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    warnings = []
    for name in sorted(names):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and upper not in _CLIENT_VARIABLES:
            close = get_close_matches(upper, known, n=1, cutoff=0.8)
            hint = f" Did you mean {close[0]}?" if close else ""
            warnings.append(f"{name} is not a setting of Opsrun and has no effect.{hint}")
    return warnings
