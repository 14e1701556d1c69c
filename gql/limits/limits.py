"""The bounds of one operation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a document may have, fragments written out where they are spread."""

    tokens: int = 2_000
    depth: int = 16
    fields: int = 1_000
    aliases: int = 50
    directives: int = 50
    # Selections that repeat another one beside them.
    duplicates: int = 50
    # Points; see `CostModel`.
    cost: int = 10_000
    introspection: bool = True
    suggestions: bool = True
