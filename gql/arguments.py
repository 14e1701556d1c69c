"""Arguments that many fields have, and what any text in one must be."""

from typing import Annotated

import strawberry

from domain.errors import BadInputError
from gql.ids import quoted, storable

First = Annotated[int | None, strawberry.argument(description="How many at most, up to 100.")]
After = Annotated[str | None, strawberry.argument(description="Only those after this cursor.")]


def plain_text(value: str) -> str:
    """Return a client's text; BadInputError when it has characters that no text of ours has."""
    try:
        return storable(value)
    except ValueError:
        raise BadInputError(f"{quoted(value)} holds a character that cannot be stored.") from None
