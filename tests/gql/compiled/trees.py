"""A schema with fields of every kind. Its objects are random, and some are spoiled on purpose."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Annotated, Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

from tests.gql.compiled.leaves import (
    Chosen,
    Color,
    Even,
    Failure,
    Leaf,
    Named,
    Other,
    Page,
    Picky,
    Something,
    Thing,
    leaf,
    other,
)
from tests.gql.compiled.spoiled import random, spoil


@strawberry.input
class Wish:
    color: Color = Color.RED
    numbers: list[int] | None = None


class ShortName(BasePermission):
    """Admits to objects with a short name."""

    message = "no"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return len(str(getattr(source, "name", ""))) < 3


class ShortNameLater(ShortName):
    message = "not now"

    async def has_permission(self, source: Any, info: Any, **_: Any) -> bool:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().has_permission(source, info)


class Loud(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        return f"{next_(source, info, **kwargs)}!"


def few(number: int) -> int:
    """Return a number that is not too large for an answer."""
    return min(abs(number), 4)


def log(info: Any, *what: Any) -> None:
    """Record a call."""
    info.context["calls"].append(what)


@strawberry.type
class Tree(Named):
    fails: strawberry.Private[bool]
    leaf: Leaf
    maybe_leaf: Leaf | None
    leaves: list[Leaf]
    maybe_leaves: list[Leaf | None] | None
    thing: Thing
    things: list[Thing]
    something: Something | None
    somethings: list[Something | None]
    named: Named | None
    many: list[Named]
    chosen: Chosen | None
    page: Page[Leaf]
    numbers: Page[int] | None
    picky: Picky | None
    child: Annotated["Tree", strawberry.lazy(__name__)] | None
    children: list["Tree"]
    guarded_plain: int = strawberry.field(default=4, permission_classes=[ShortName])

    @strawberry.field
    def loud(self, info: strawberry.Info, times: int = 1) -> str:
        log(info, "loud", str(self.name), times, info.path.as_list(), info.selected_fields)
        return str(self.name) * few(times)

    @strawberry.field(extensions=[Loud()])
    def louder(self, even: Even = 2) -> str:  # type: ignore[assignment]
        return str(self.name) * few(even)

    @strawberry.field
    def renamed(self, info: strawberry.Info) -> str | None:
        log(info, "renamed", str(self.name))
        self.name = "renamed"
        return None

    @strawberry.field
    def wish(
        self,
        info: strawberry.Info,
        wish: Wish | None = None,
        more: list[int] = [1],  # noqa: B006 - GraphQL shares defaults, which must not be seen
    ) -> str | None:
        log(info, "wish", repr(wish), list(more))
        more.append(7)
        if wish and wish.color is Color.BLUE:
            raise ValueError("no blue")
        return repr(wish)

    @strawberry.field(permission_classes=[ShortName])
    def guarded(self) -> int:
        return 1

    @strawberry.field(permission_classes=[ShortNameLater])
    def guarded_later(self) -> Leaf | None:
        return self.leaf

    @strawberry.field
    async def later(self, info: strawberry.Info) -> Leaf | None:
        log(info, "later", str(self.name))
        await asyncio.sleep(0)
        if self.fails:
            raise ValueError("later failed")
        return self.leaf if isinstance(self.leaf, Leaf) else None

    @strawberry.field
    async def must(self, info: strawberry.Info) -> Leaf:
        log(info, "must", str(self.name))
        await asyncio.sleep(0)
        return None if self.fails else self.leaf  # type: ignore[return-value]

    @strawberry.field
    async def owner(self, info: strawberry.Info, k: int = 0) -> Other | None:
        owner: Other | None = await info.context["loader"].load((str(self.name), k))
        return owner

    @strawberry.field
    async def trees(self, n: int = 2) -> list["Tree"]:
        await asyncio.sleep(0)
        return [tree(random(f"{self.name} {i}"), 1) for i in range(few(n))]

    @strawberry.field
    async def required(self, value: str | None) -> str | None:
        return value

    @strawberry.field
    def of_parent(self, parent: strawberry.Parent[Any]) -> str:
        return f"{parent is self} {self.name}"

    @strawberry.field
    def of_root(root: Any, info: strawberry.Info, n: int = 1) -> str:  # noqa: N805
        return f"{info.python_name} {root.name} {n}"

    @strawberry.field
    @staticmethod
    def static(x: int = 1) -> int:
        return x


def _either(r: Random, chance: float) -> Leaf | Other:
    return leaf(r, chance) if r.random() < 0.5 else other(r, chance)


def _something(r: Random, chance: float) -> Any:
    return r.choice(
        [
            spoil(r, Page(items=[leaf(r, chance)], total=1), chance),
            Page(items=[1, 2], total=None),
            Picky(n=r.choice([1, 2, 5] if chance else [1, 2])),
            Failure(name="f") if chance else leaf(r, 0),
            leaf(r, chance),
        ]
    )


def tree(r: Random, depth: int = 2) -> Tree:
    """Return a tree; some trees are spoiled."""
    c = r.choice([0, 0, 0, 0.02, 0.08])
    made = Tree(
        name=f"t{r.randrange(12)}",
        fails=r.random() < c * 3,
        leaf=leaf(r, c),
        maybe_leaf=r.choice([None, leaf(r, c)]),
        leaves=[leaf(r, c) for _ in range(r.randrange(3))],
        maybe_leaves=r.choice([None, [None, leaf(r, c)]]),
        thing=_either(r, c),
        things=[_either(r, c) for _ in range(2)],
        something=_something(r, c),
        somethings=[_something(r, c) for _ in range(2)],
        named=r.choice([None, _either(r, c)]),
        many=[_either(r, c)],
        chosen=r.choice([None, leaf(r, c)]),
        page=Page(items=[leaf(r, c)], total=r.choice([None, 1])),
        numbers=r.choice([None, Page(items=[1, 2], total=2)]),
        picky=r.choice([None, Picky(n=r.randrange(3, 6) if c else 1)]),
        child=tree(r, depth - 1) if depth and r.random() < 0.6 else None,
        children=[tree(r, 0) for _ in range(r.randrange(3))] if depth else [],
    )
    return spoil(r, made, c / 3)


@strawberry.type
class Query:
    @strawberry.field
    def tree(self, info: strawberry.Info) -> Tree:
        return tree(random(info.context["seed"]))

    @strawberry.field
    async def maybe(self, info: strawberry.Info) -> Tree | None:
        return tree(random(info.context["seed"] + 1))

    @strawberry.field
    def forest(self, info: strawberry.Info, n: int = 3) -> list[Tree | None]:
        return [tree(random(info.context["seed"] + i), 1) for i in range(few(n))]

    @strawberry.field
    async def wood(self, info: strawberry.Info) -> list[Tree]:
        return [tree(random(info.context["seed"] + i), 1) for i in range(3)]


@strawberry.type
class Mutation(Query):
    pass


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def trees(self, info: strawberry.Info) -> AsyncIterator[Tree]:
        for i in range(3):
            yield tree(random(info.context["seed"] + i))


TYPES = {"query": Query, "mutation": Mutation, "subscription": Subscription, "types": [Leaf, Other]}
