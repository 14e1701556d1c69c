"""Arguments that many fields share, and the check of their texts."""

from typing import Annotated

from strawberry import argument

from domain.errors import BadInputError
from gql.ids import quoted, storable

First = Annotated[
    int | None, argument(description="The maximum number of items to return, at most 100.")
]
After = Annotated[str | None, argument(description="Return the items after this cursor.")]


def plain_text(value: str) -> str:
    """Return a client's text; BadInputError if Postgres cannot store it."""
    try:
        return storable(value)
    except ValueError:
        raise BadInputError(f"{quoted(value)} has a character that cannot be stored.") from None
