"""The forms in which secrets appear in texts, as tables: the data for `sanitize`.

Every regex runs in linear time: repetitions are bounded, possessive, or end at a
character that cannot repeat. The order matters: forms that know where their value ends
come before the fields, which take all that is left of a value.
"""

from domain.redaction.patterns import addresses, assignments, commands, documents, keys
from domain.redaction.patterns.pattern import SecretPattern

__all__ = ["SECRET_PATTERNS", "SecretPattern"]

SECRET_PATTERNS: tuple[SecretPattern, ...] = (
    *keys.PATTERNS,
    *addresses.PATTERNS,
    *commands.PATTERNS,
    *documents.ELEMENTS,
    *assignments.PATTERNS,
    *documents.PATTERNS,
    *addresses.EMAILS,
)
