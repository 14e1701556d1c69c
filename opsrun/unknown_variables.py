"""Environment variables that are spelled like settings and are none: most often a typing error."""

from collections.abc import Iterable
from difflib import get_close_matches

from opsrun.settings import PREFIX, Settings

# What the programs in client-examples read.
_CLIENTS_VARIABLES = ("OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT", "OPSRUN_BY_HASH")


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return a warning about each variable that is spelled like a setting but is not one."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    warnings = []
    for name in sorted(names):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and upper not in _CLIENTS_VARIABLES:
            near = get_close_matches(upper, known, n=1, cutoff=0.8)
            meant = f" Did you mean {near[0]}?" if near else ""
            warnings.append(f"{name} is not a setting of Opsrun and has no effect.{meant}")
    return warnings
