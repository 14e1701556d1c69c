"""A schema with the types that are hardest to judge by their class."""

import asyncio
import enum
from collections.abc import Callable
from typing import Annotated, Any, Generic, Optional, TypeVar, Union

import strawberry
from graphql import GraphQLError
from strawberry.annotation import StrawberryAnnotation
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import SchemaExtension
from strawberry.types.field import StrawberryField

from tests.gql.compiled.leaves import Even
from tests.gql.compiled.trees import log

T = TypeVar("T")
# Makes the value of each case.
VALUES: dict[str, Callable[[], Any]] = {}


@strawberry.interface
class Animal:
    name: str | None


@strawberry.type
class Cat(Animal):
    lives: int

    @strawberry.field
    async def purr(self) -> str:
        return f"purr {self.lives}"


@strawberry.type
class Dog(Animal):
    tricks: list[str]
    friend: Optional["Animal"] = None


class Row:
    """An object of another library."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


@strawberry.type
class Orm(Animal):
    """A type that accepts another library's objects."""

    lives: int

    @classmethod
    def is_type_of(cls, value: Any, info: Any) -> bool:
        return isinstance(value, (cls, Row))


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a, self.b = 1, "x"


class LazyCat(Cat):
    """A subclass without a definition, which computes its fields when they are read."""

    def __init__(self) -> None:
        pass

    @property
    def name(self) -> str:  # type: ignore[override]
        return "lazy"

    @property
    def lives(self) -> int:  # type: ignore[override]
        return 7


@strawberry.type
class Box(Generic[T]):
    value: T
    more: list[T | None] | None = None


class Shouting(StrawberryField):
    """A field with another `get_result`."""

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        return f"{super().get_result(source, info, args, kwargs)}!"


@strawberry.enum
class Oddity(enum.Enum):
    ONE = 1
    TWO = (2, 2)
    SAME = 1  # noqa: PIE796


Pet = Annotated[Union[Cat, Dog], strawberry.union("Pet")]  # noqa: UP007
Wide = Annotated[Union[Cat, Box[int], Box[str], Orm], strawberry.union("Wide")]  # noqa: UP007


@strawberry.type
class Thing:
    a: int
    b: str | None
    matrix: list[list[int]] | None = None
    loose: list[list[int | None] | None] | None = None
    pets: list[Pet | None] | None = None
    strict_pets: list[Pet] | None = None
    animals: list[Animal | None] | None = None
    wide: list[Wide | None] | None = None
    boxes: list[Box[int]] | None = None
    odd: Oddity | None = None
    odds: list[Oddity | None] | None = None
    even: Even | None = None
    evens: list[Even | None] | None = None
    inner: Optional["Thing"] = None
    inners: list["Thing"] | None = None
    loose_inners: list[Optional["Thing"]] | None = None
    class_: str = strawberry.field(name="class", default="k")
    shout: str = Shouting(  # type: ignore[assignment]
        default="q", type_annotation=StrawberryAnnotation(str)
    )

    @strawberry.field
    async def slow(self, info: strawberry.Info, n: int = 1) -> int:
        log(info, "slow", n)
        await _wait(n)
        return self.a if self.a >= 0 else None  # type: ignore[return-value]

    @strawberry.field
    async def fails(self, n: int = 1) -> int | None:
        await _wait(n)
        raise GraphQLError(f"failed after {n}", extensions={"code": n})

    @strawberry.field
    def fails_now(self) -> int:
        raise ValueError("now")

    @strawberry.field
    async def strict_inners(self) -> list["Thing"]:
        return self.inners  # type: ignore[return-value]

    @strawberry.field
    def set_b(self, info: strawberry.Info, to: str) -> str:
        log(info, "set", to)
        self.b = to
        return to


async def _wait(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def thing(**values: Any) -> Thing:
    """Return a thing with these values."""
    return Thing(**{"a": 1, "b": "x", **values})


@strawberry.type
class Query:
    @strawberry.field
    def value(self, case: str) -> Thing | None:
        made: Thing | None = VALUES[case]()
        return made

    @strawberry.field
    async def later(self, case: str) -> Thing:
        await asyncio.sleep(0)
        made: Thing = VALUES[case]()
        return made

    @strawberry.field
    def things(self, case: str) -> list[Thing | None]:
        return [thing(), VALUES[case](), thing(a=2)]


@strawberry.type
class Mutation(Query):
    pass


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def loud(value: DirectiveValue[Any], times: list[int] | None = None) -> Any:
    """Change a value on its way."""
    return f"{value}!" if isinstance(value, str) else value


class Watching(SchemaExtension):
    """An extension that resolves."""

    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        info.context["calls"].append((info.path.key, info.parent_type.name))
        return _next(root, info, *args, **kwargs)


class Slow(SchemaExtension):
    """An extension that resolves later."""

    async def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        result = _next(root, info, *args, **kwargs)
        return await result if hasattr(result, "__await__") else result


TYPES = {"query": Query, "mutation": Mutation, "types": [Orm]}
