"""Connections with keyset cursors (Relay): what a page is, and how it is asked for."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import strawberry

from domain.errors import BadInputError, LimitExceededError
from gql.ids import decode_base64, encode_base64, quoted, storable

MAX_PAGE = 100
DEFAULT_PAGE = 25

T = TypeVar("T")
M = TypeVar("M")


@strawberry.type(description="Where a page stands in its list (Relay).")
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether more follow after `endCursor`.")
    has_previous_page: bool = strawberry.field(
        description="Whether there are some before `startCursor`; known when paging backwards, or"
        " after a cursor."
    )
    start_cursor: str | None = strawberry.field(description="The first edge's cursor.")
    end_cursor: str | None = strawberry.field(description="The last edge's cursor.")


@strawberry.type(description="One member of a connection with its cursor.")
class Edge(Generic[T]):
    """Relay's edge."""

    cursor: str = strawberry.field(description="Pass it as `after` or `before`.")
    node: T = strawberry.field(description="The member.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """Relay's connection."""

    edges: list[Edge[T]] = strawberry.field(description="The members with their cursors.")
    nodes: list[T] = strawberry.field(description="The members alone, for who needs no cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one kind of list of one tenant."""

    kind: str
    tenant_id: UUID
    values: tuple[str | int, ...]

    def encode(self) -> str:
        """Return the cursor as clients see it."""
        return encode_base64(json.dumps([self.kind, self.tenant_id.hex, *self.values]))

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor; BadInputError for a text that this API never gave out."""
        try:
            kind, tenant, *values = json.loads(decode_base64(text))
            if not isinstance(kind, str) or not all(type(v) in (str, int) for v in values):
                raise ValueError(text)
            # JSON can spell characters that base64 let pass unseen.
            for part in (kind, *values):
                storable(str(part))
            return cls(kind, UUID(hex=tenant), tuple(values))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise bad_cursor(text) from None


def bad_cursor(text: str) -> BadInputError:
    """Return the error for a cursor that does not belong where it was used."""
    return BadInputError(
        f"{quoted(text)} is no cursor of this list. Cursors are opaque: send them back as received,"
        " to the field they came from."
    )


def page_size(asked: int | None) -> int:
    """Return how many members a page has; `DEFAULT_PAGE` for null.

    Raises:
        BadInputError: negative. LimitExceededError: more than MAX_PAGE.
    """
    size = DEFAULT_PAGE if asked is None else asked
    if size < 0:
        raise BadInputError("A page has 0 members or more.")
    if size > MAX_PAGE:
        raise LimitExceededError(f"A page has at most {MAX_PAGE} members. Ask for the next page.")
    return size


def forward_page(
    rows: Sequence[M],
    size: int,
    *,
    after: str | None,
    node: Callable[[M], T],
    cursor: Callable[[M], str],
) -> Connection[T]:
    """Build a page from up to `size + 1` rows read after the cursor."""
    return _connection(
        [(cursor(row), node(row)) for row in rows[:size]],
        has_next=len(rows) > size,
        has_previous=bool(after),
    )


def backward_page(
    rows: Sequence[M],
    size: int,
    *,
    before: str | None,
    node: Callable[[M], T],
    cursor: Callable[[M], str],
) -> Connection[T]:
    """Build a page from up to `size + 1` rows read backwards from the cursor."""
    return _connection(
        [(cursor(row), node(row)) for row in reversed(rows[:size])],
        has_next=bool(before),
        has_previous=len(rows) > size,
    )


def _connection(
    members: list[tuple[str, T]], *, has_next: bool, has_previous: bool
) -> Connection[T]:
    return Connection(
        edges=[Edge(cursor=cursor, node=node) for cursor, node in members],
        nodes=[node for _, node in members],
        page_info=PageInfo(
            has_next_page=has_next,
            has_previous_page=has_previous,
            start_cursor=members[0][0] if members else None,
            end_cursor=members[-1][0] if members else None,
        ),
    )


def cursor_number(bits: int) -> Callable[[str | int], int]:
    """Return what reads a number of so many bits inside a cursor; ValueError for anything else."""

    def read(value: str | int) -> int:
        if isinstance(value, str) or not 0 <= value < 2**bits:
            raise ValueError(value)
        return value

    return read
