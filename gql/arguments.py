"""Arguments that every connection has."""

from typing import Annotated

import strawberry

First = Annotated[int | None, strawberry.argument(description="How many at most, up to 100.")]
After = Annotated[str | None, strawberry.argument(description="Only those after this cursor.")]
