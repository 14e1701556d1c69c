"""Connections with keyset cursors (Relay): cursors, pages and the arguments that select one."""

import json
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from uuid import UUID

import orjson
import strawberry
from strawberry import field

from domain.errors import BadInputError, LimitExceededError
from domain.tenancy.models import TenantAccess
from gql.ids import decode_base64, encode_base64, quoted, storable

if TYPE_CHECKING:
    from gql.context import Context

MAX_PAGE = 100
DEFAULT_PAGE = 25

T = TypeVar("T")
M = TypeVar("M")
K = TypeVar("K")


@strawberry.type(description="The position of a page in its list (Relay).")
class PageInfo:
    has_next_page: bool = field(description="Whether there are items after `endCursor`.")
    has_previous_page: bool = field(
        description="Whether there are items before `startCursor`. Known only when paging backwards"
        " or after a cursor."
    )
    start_cursor: str | None = field(description="The cursor of the first item.")
    end_cursor: str | None = field(description="The cursor of the last item.")


@strawberry.type(description="One item of a list and its cursor.")
class Edge(Generic[T]):
    cursor: str = field(description="Pass it as `after` or `before` to page from here.")
    node: T = field(description="The item.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = field(description="The items of this page, each with its cursor.")
    nodes: list[T] = field(description="The items of this page without their cursors.")
    page_info: PageInfo = field(description="The position of this page in the list.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a list of a tenant."""

    kind: str
    tenant_id: UUID
    values: tuple[str | int | datetime, ...]

    def encode(self) -> str:
        """Return the cursor as clients see it."""
        return _encode(self.kind, self.tenant_id, self.values)

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Decode a cursor; BadInputError if the text is not a cursor of this API."""
        try:
            kind, tenant, *values = json.loads(decode_base64(text))
            if not isinstance(kind, str) or not all(type(v) in (str, int) for v in values):
                raise ValueError(text)
            # A JSON escape can hold a character that `decode_base64` would refuse.
            for part in (kind, *values):
                storable(str(part))
            return cls(kind, UUID(hex=tenant), tuple(values))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise bad_cursor(text) from None


@dataclass(frozen=True)
class CursorKind(Generic[M, K]):
    """The encoding of the cursors of one kind of list.

    `encode` returns the values of a row by which the list is sorted. `decode` turns them into the
    key after which the repository continues; it raises ValueError, TypeError or AttributeError if
    they do not fit.
    """

    name: str
    encode: Callable[[M], tuple[str | int | datetime, ...]]
    decode: Callable[..., K]

    def of(self, *owners: UUID | str) -> Self:
        """Return the kind for the list of these owners, for example the failures of one run."""
        texts = (owner.hex if isinstance(owner, UUID) else owner for owner in owners)
        return replace(self, name=" ".join((self.name, *texts)))

    def cursor(self, tenant_id: UUID, row: M) -> str:
        """Return the cursor of a row."""
        return _encode(self.name, tenant_id, self.encode(row))


def _encode(kind: str, tenant_id: UUID, values: tuple[str | int | datetime, ...]) -> str:
    return encode_base64(orjson.dumps([kind, tenant_id.hex, *values]).decode())


def bad_cursor(text: str) -> BadInputError:
    """Return the error for a cursor of another list."""
    return BadInputError(
        f"{quoted(text)} is not a cursor of this list. Cursors are opaque: send them back as"
        " received, to the field they came from."
    )


def page_size(requested: int | None) -> int:
    """Return the size of a page; `DEFAULT_PAGE` for null.

    Raises:
        BadInputError: negative. LimitExceededError: more than MAX_PAGE.
    """
    size = DEFAULT_PAGE if requested is None else requested
    if size < 0:
        raise BadInputError("A page size must not be negative.")
    if size > MAX_PAGE:
        raise LimitExceededError(f"A page has at most {MAX_PAGE} items. Request the next page.")
    return size


def as_is(row: Any) -> Any:
    """Return the row itself, for a type whose fields are the row's attributes."""
    return row


@dataclass(frozen=True)
class PageRequest(Generic[M, K]):
    """Reads the page of `first` items after a cursor, or from the beginning of the list:

        request = PageRequest(info.context, access, BACKUP_SETS, first, after)
        return await request.read(repository.page, node=BackupSet.of)

    Both methods call the query with `after`, the key in the cursor, and `limit`.

    Raises:
        BadInputError, ForbiddenError, LimitExceededError: from `first` and `after`.
    """

    context: "Context"
    access: TenantAccess
    kind: CursorKind[M, K]
    first: int | None
    after: str | None

    async def read(
        self,
        query: Callable[..., Awaitable[Sequence[M]]],
        *arguments: Any,
        node: Callable[[M], T] = as_is,
        **named: Any,
    ) -> Connection[T]:
        """Read the page in a separate transaction."""
        place = await self._place()
        rows = await self.context.read(query, self.access, *arguments, **place, **named)
        return self._page(rows, node)

    async def load(
        self,
        query: Callable[..., Awaitable[Mapping[Any, Sequence[M]]]],
        owner: Hashable,
        *,
        node: Callable[[M], T] = as_is,
        **named: Any,
    ) -> Connection[T]:
        """Read the page of one owner's list; one query reads the same page of other owners too."""
        place = await self._place()
        rows = await self.context.load(query, self.access, owner, **place, **named)
        return self._page(rows or (), node)

    async def _place(self) -> dict[str, Any]:
        limit = page_size(self.first) + 1
        if not self.after:
            return {"after": None, "limit": limit}
        key = await self.context.place(self.after, self.kind, self.access.tenant_id)
        return {"after": key, "limit": limit}

    def _page(self, rows: Sequence[M], node: Callable[[M], T]) -> Connection[T]:
        return page_of(
            rows,
            page_size(self.first),
            is_first=not self.after,
            node=node,
            cursor=lambda row: self.kind.cursor(self.access.tenant_id, row),
        )


def page_of(
    rows: Sequence[M],
    size: int,
    *,
    is_first: bool,
    node: Callable[[M], T],
    cursor: Callable[[M], str],
    backward: bool = False,
) -> Connection[T]:
    """Build a page from up to `size + 1` rows, in the order in which they were read.

    `is_first` means that there was no cursor, so the page begins at an end of the list.
    """
    has_more, has_passed = len(rows) > size, not is_first
    rows = rows[:size]
    if backward:
        rows = rows[::-1]
        has_more, has_passed = has_passed, has_more
    return _Page(rows, node, cursor, has_next_page=has_more, has_previous_page=has_passed)


class _Page(Connection[Any]):
    """Builds nodes and cursors when they are selected."""

    def __init__(
        self,
        rows: Sequence[Any],
        node: Callable[[Any], Any],
        cursor: Callable[[Any], str],
        *,
        has_next_page: bool,
        has_previous_page: bool,
    ) -> None:
        self._rows, self._node, self._cursor = rows, node, cursor
        self.has_next_page, self.has_previous_page = has_next_page, has_previous_page

    @cached_property
    def nodes(self) -> list[Any]:  # type: ignore[override]  # GraphQL only reads it
        return [self._node(row) for row in self._rows]

    @cached_property
    def edges(self) -> list[Edge[Any]]:  # type: ignore[override]
        cursor = self._cursor
        return [_Edge(row, node, cursor) for row, node in zip(self._rows, self.nodes, strict=True)]

    @property
    def page_info(self) -> PageInfo:  # type: ignore[override]
        return PageInfo(
            has_next_page=self.has_next_page,
            has_previous_page=self.has_previous_page,
            start_cursor=self._cursor(self._rows[0]) if self._rows else None,
            end_cursor=self._cursor(self._rows[-1]) if self._rows else None,
        )


class _Edge(Edge[Any]):
    def __init__(self, row: Any, node: Any, cursor: Callable[[Any], str]) -> None:
        self._row, self.node, self._cursor = row, node, cursor

    @property
    def cursor(self) -> str:  # type: ignore[override]
        return self._cursor(self._row)


def cursor_number(bits: int) -> Callable[[str | int], int]:
    """Return a decoder for numbers of up to `bits` bits; it raises ValueError for other values."""

    def read(value: str | int) -> int:
        if isinstance(value, str) or not 0 <= value < 2**bits:
            raise ValueError(value)
        return value

    return read


def cursor_text(value: str | int) -> str:
    """Decode a text."""
    return str(value)


def cursor_parts(*readers: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a decoder for cursors with several values, from one decoder for each value."""

    def read(*values: str | int) -> tuple[Any, ...]:
        return tuple(part(value) for part, value in zip(readers, values, strict=True))

    return read
