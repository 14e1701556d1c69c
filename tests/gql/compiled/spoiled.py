"""Values that no field of their type should have, and classes that are hard to judge."""

import asyncio
import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any, TypeVar

import strawberry

T = TypeVar("T")


def random(seed: object) -> Random:
    """Return random numbers that are always the same for a seed; addresses in it do not count."""
    return Random(without_addresses(str(seed)))  # noqa: S311 - nothing is secret


def without_addresses(text: str) -> str:
    """Return a text without addresses in memory, which differ from run to run."""
    return re.sub(r"0x[0-9a-f]+", "0x", text)


class Stranger:
    """An object of no type that has every attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class Text(str):
    """A string of another class."""

    __slots__ = ()


@strawberry.type
class Unrelated:
    name: str


async def soon(value: Any) -> Any:
    """Return a value later; raise it if it is an error."""
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


async def one_by_one(values: list[Any]) -> AsyncIterator[Any]:
    """Yield values."""
    for value in values:
        await asyncio.sleep(0)
        yield value


def subclassed(value: Any) -> Any:
    """Give an object a class that is not in the schema."""
    value.__class__ = type(type(value).__name__, (type(value),), {})
    return value


def _fail(*_: Any) -> None:
    raise RuntimeError("read failed")


def _unreadable(value: Any, name: str) -> None:
    attributes = {key: kept for key, kept in vars(value).items() if key != name}
    value.__class__ = type(type(value).__name__, (type(value),), {name: property(_fail)})
    value.__dict__.clear()
    value.__dict__.update(attributes)


_BAD = [
    *(None, "x", 5, 5.5, 2**40, True, 100, 3, float("inf"), [], [None], {"a": 1}, (), object),
    ValueError("value"),
]
_MADE = [
    Stranger,
    lambda: Text("s"),
    lambda: soon(None),
    lambda: soon(3),
    lambda: soon(ValueError("soon")),
    lambda: iter([1, 2]),
    lambda: one_by_one([1, None]),
]


def spoil(r: Random, value: T, chance: float) -> T:
    """Spoil each attribute of an object with this chance; return the object."""
    for name in list(vars(value)):
        if r.random() < chance:
            _spoil_attribute(r, value, name)
    return value


def _spoil_attribute(r: Random, value: Any, name: str) -> None:
    old = getattr(value, name)
    is_object = hasattr(old, "__strawberry_definition__")
    match r.randrange(24):
        case 0:
            delattr(value, name)
        case 1:
            _unreadable(value, name)
        case 2:
            setattr(value, name, soon(old))
        case 3 if isinstance(old, list):
            setattr(value, name, [soon(item) if r.random() < 0.5 else item for item in old])
        case 4 if isinstance(old, list):
            kind: Any = r.choice([tuple, iter, one_by_one])
            setattr(value, name, kind(old))
        case 5 if is_object:
            subclassed(old)
        case 6 if is_object:
            strawberry.cast(Unrelated, old)
        case number if number < 14:
            made: Any = r.choice(_MADE)
            setattr(value, name, made())
        case _:
            setattr(value, name, r.choice(_BAD))
