"""The limits of one operation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a document; a fragment counts wherever it is spread."""

    tokens: int = 2_000
    depth: int = 16
    fields: int = 1_000
    aliases: int = 50
    directives: int = 50
    # Selections that repeat another one of the same selection set.
    duplicates: int = 50
    # See `CostModel`.
    cost: int = 10_000
    introspection: bool = True
    suggestions: bool = True
