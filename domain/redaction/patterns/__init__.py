"""The forms in which secrets appear in texts: the data of `sanitize`.

Every regex runs in linear time: repetitions are bounded, possessive, or end at a character
that cannot repeat. The order matters: forms that know where their value ends come before
the assignments, which take the rest of a value.
"""

from domain.redaction.patterns import addresses, assignments, commands, keys, markup, outputs
from domain.redaction.patterns.table import SecretPattern

__all__ = ["SECRET_PATTERNS", "SecretPattern"]

SECRET_PATTERNS: tuple[SecretPattern, ...] = (
    *keys.PATTERNS,
    *addresses.PATTERNS,
    *commands.PATTERNS,
    *markup.PATTERNS,
    *assignments.PATTERNS,
    *outputs.PATTERNS,
    *addresses.EMAILS,
)
