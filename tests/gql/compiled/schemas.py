"""Random schemas, with values of which some do not fit their types."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import strawberry
from strawberry.extensions import DisableValidation

from tests.gql.compiled.comparing import Pair
from tests.gql.compiled.spoiled import random, soon

TYPES = 5
_LEAVES: dict[type, list[Any]] = {
    int: [0, -3, 2**40],
    str: ["", "text", 7],
    bool: [True, False],
    float: [1.5, 2, float("nan")],
    datetime: [datetime(2026, 1, 2, tzinfo=UTC)],
}


@dataclass(frozen=True)
class Type:
    """A leaf or object type, with `list` and nullability around it, from the inside out."""

    inner: Any
    is_nullable: bool
    is_list: bool

    @classmethod
    def draw(cls, r: Random, objects: list[type], depth: int = 0) -> "Type":
        """Draw a type; objects are those of types drawn before."""
        if depth < 2 and r.random() < 0.3:
            return cls(cls.draw(r, objects, depth + 1), r.random() < 0.5, is_list=True)
        named = r.choice([*_LEAVES, *objects, *objects])
        return cls(named, r.random() < 0.5, is_list=False)

    @property
    def annotation(self) -> Any:
        """The annotation for Strawberry."""
        annotation = list[self.inner.annotation] if self.is_list else self.inner  # type: ignore[name-defined]
        return annotation | None if self.is_nullable else annotation

    def value(self, r: Random) -> Any:
        """Draw a value; a few are wrong."""
        if r.random() < 0.02:
            return r.choice([None, "wrong", 5, [], ValueError("value"), object])
        if r.random() < 0.02:
            return soon(r.choice([None, self.value(r)]))
        if self.is_nullable and r.random() < 0.2:
            return None
        if self.is_list:
            return [self.inner.value(r) for _ in range(r.randrange(3))]
        if self.inner in _LEAVES:
            return r.choice(_LEAVES[self.inner])
        return self.inner(**{name: type_.value(r) for name, type_ in self.inner.plain.items()})


def _resolver(type_: Type, r: Random) -> Any:
    def resolve(self: Any, info: strawberry.Info, n: int = 0) -> Any:
        path = info.path.as_list()
        info.context["calls"].append((path, n))
        return type_.value(random((info.context["seed"], path, n)))

    async def resolve_later(self: Any, info: strawberry.Info, n: int = 0) -> Any:
        await asyncio.sleep(0)
        value = resolve(self, info, n)
        if isinstance(value, Exception):
            raise value
        return value

    resolver = r.choice([resolve, resolve_later])
    resolver.__annotations__["return"] = type_.annotation
    return strawberry.field(resolver)


def _object_type(name: str, r: Random, objects: list[type], *, is_plain: bool = False) -> type:
    types = {f"f{number}": Type.draw(r, objects) for number in range(r.randrange(2, 6))}
    share = 1.0 if is_plain else r.random()
    plain = {field: type_ for field, type_ in types.items() if r.random() < share}
    namespace: dict[str, Any] = {
        field: _resolver(type_, r) for field, type_ in types.items() if field not in plain
    }
    namespace["__annotations__"] = {field: type_.annotation for field, type_ in plain.items()}
    made: Any = strawberry.type(type(name, (), namespace))
    made.plain = plain
    return made  # type: ignore[no-any-return]


def random_pair(seed: int) -> Pair:
    """Return a random schema; fields of its root have resolvers."""
    r, objects = random(seed), list[type]()
    for number in range(TYPES):
        objects.append(_object_type(f"T{number}", r, objects, is_plain=number == 0))
    roots = {f"f{number}": _resolver(Type.draw(r, objects), r) for number in range(5)}
    return Pair.of({"query": strawberry.type(type("Query", (), roots))}, DisableValidation)
