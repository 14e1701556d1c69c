"""Objects of plain fields, and the ways in which their types are chosen."""

import datetime
import enum
from random import Random
from typing import Annotated, Any, Generic, NewType, TypeVar, Union

import strawberry
from strawberry.scalars import JSON

from tests.gql.compiled.spoiled import spoil

T = TypeVar("T")
Even = NewType("Even", int)


def even(value: Any) -> Any:
    """Refuse odd numbers; return None for 100."""
    if not isinstance(value, int) or value % 2:
        raise ValueError(f"{value!r} is odd")
    return None if value == 100 else value


SCALARS: Any = {Even: strawberry.scalar(name="Even", serialize=even, parse_value=even)}


@strawberry.enum
class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


@strawberry.interface
class Named:
    name: str


@strawberry.interface
class Chosen:
    """An interface with `resolve_type`."""

    n: int

    @classmethod
    def resolve_type(cls, value: Any, info: Any, type_: Any) -> str:
        return type(value).__name__


@strawberry.type
class Leaf(Named, Chosen):
    maybe_n: int | None
    f: float | None
    ok: bool
    when: datetime.datetime
    color: Color
    maybe_color: Color | None
    blob: JSON | None
    uid: strawberry.ID
    even: Even | None
    secret: strawberry.Private[int] = 3


@strawberry.type
class Other(Named):
    tags: list[str]
    maybe_tags: list[str | None] | None
    grid: list[list[int]]


@strawberry.type
class Page(Generic[T]):
    items: list[T]
    total: int | None


@strawberry.type
class Picky:
    """A type with `is_type_of`."""

    n: int

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return bool(getattr(value, "n", 0) != 5)


@strawberry.type
class Failure(Exception):  # noqa: N818
    """A type that is an exception: graphql-core raises it."""

    name: str


Thing = Annotated[Union[Leaf, Other], strawberry.union("Thing")]  # noqa: UP007
Something = Annotated[
    Union[Leaf, Page[Leaf], Page[int], Picky, Failure],  # noqa: UP007
    strawberry.union("Something"),
]


def leaf(r: Random, chance: float) -> Leaf:
    """Return a leaf whose attributes are spoiled with this chance."""
    made = Leaf(
        name=f"l{r.randrange(99)}",
        n=r.randrange(-9, 9),
        maybe_n=r.choice([None, 3]),
        f=r.choice([None, 1.5, 2]),
        ok=r.random() < 0.5,
        when=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        color=r.choice(list(Color)),
        maybe_color=r.choice([None, Color.BLUE]),
        blob=_blob(r),
        uid=strawberry.ID("7"),
        even=r.choice([None, Even(2), Even(4), *([Even(3), Even(100)] if chance else ())]),
    )
    return spoil(r, made, chance)


def _blob(r: Random) -> Any:
    return r.choice([None, {"x": [1]}, [1, 2], "s"])


def other(r: Random, chance: float = 0.0) -> Other:
    """Return an object with lists."""
    tags = r.choice([None, ["a", None]])
    return spoil(r, Other(name="o", tags=["a", "b"], maybe_tags=tags, grid=[[1, 2], [3]]), chance)
