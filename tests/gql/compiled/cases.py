"""Hand-picked values and documents for things."""

import asyncio
import collections
from collections.abc import Callable, Iterable
from typing import Any

import strawberry
from strawberry import cast

from tests.gql.compiled.leaves import Color
from tests.gql.compiled.spoiled import Stranger, one_by_one, soon, subclassed
from tests.gql.compiled.things import (
    Box,
    Cat,
    Dog,
    LazyCat,
    Oddity,
    Orm,
    Row,
    Slotted,
    Thing,
    thing,
)


def cat(**values: Any) -> Cat:
    """Return a cat."""
    return Cat(**{"name": "c", "lives": 9, **values})


def dog(**values: Any) -> Dog:
    """Return a dog."""
    return Dog(**{"name": "d", "tricks": ["sit"], **values})


def error() -> ValueError:
    """Return an error as a value."""
    return ValueError("value")


def future(value: Any) -> Any:
    """Return a future that is done."""
    result = asyncio.get_running_loop().create_future()
    result.set_result(value)
    return result


def _without(name: str) -> Thing:
    made = thing()
    delattr(made, name)
    return made


def _with_attribute(name: str) -> Thing:
    made = thing()
    setattr(made, name, made)
    return made


def _same_error_everywhere() -> Thing:
    raised = error()
    return thing(b=raised, inner=thing(b=raised), loose_inners=[raised, raised])


class _Awaiting(Thing):
    def __await__(self) -> Any:
        return iter(())


class _Raised(Exception):  # noqa: N818
    a, b = 1, "x"


def _deep_list_error() -> Thing:
    failing = thing(inners=[error()])
    inners = [thing(inners=[thing(), thing(a="x")]), failing]
    return thing(inners=inners, loose_inners=[error(), None, thing(a=None), thing()])


def _good() -> Thing:
    return thing(
        matrix=[[1]],
        loose=[[None, 1], None],
        pets=[cat(), None, dog()],
        odd=Oddity.TWO,
        odds=[Oddity.ONE, Oddity.SAME],
        inner=thing(),
        inners=[thing(inner=thing()), thing(a=3)],
    )


def _negative() -> Thing:
    return thing(
        a=-1,
        inners=[thing(a=-1), thing()],
        loose_inners=[thing(a=-1), thing()],
        inner=thing(a=-1, inner=thing(a=-1)),
    )


def _awaited() -> Thing:
    inner = soon(thing(inner=soon(thing())))
    return thing(a=soon(4), b=soon("s"), inner=inner, inners=soon([soon(thing(a=soon(1)))]))


def _awaited_errors() -> Thing:
    inners = [soon(error()), soon(thing(b=soon(error())))]
    return thing(b=soon(error()), inner=thing(a=soon(error())), inners=inners)


def _cast() -> Thing:
    row = Row(name="r", tricks=["x"], friend=None)
    animals = [cast(Cat, Row(name="q", lives=1)), cast(Dog, cat())]
    return thing(pets=[cast(Dog, row), cast(Dog, cat()), cast(Thing, dog())], animals=animals)


def _orm() -> Thing:
    boxes = [Box(value=1), Box(value="s"), Box(value=1.5)]
    wide = [Row(lives=2), Orm(name="o", lives=3), *boxes, cat()]
    animals = [Row(name="r", lives=1), Orm(name="o", lives=3), None]
    return thing(wide=wide, animals=animals)


def _rows() -> Row:
    inner = Row(a=2, b=None, inner=None)
    return Row(a=1, b="x", inner=inner, inners=[Row(a=1, b="q")])


CASES: dict[str, Callable[[], Any]] = {
    "good": _good,
    "none": lambda: None,
    "error": error,
    "raising": lambda: 1 / 0,
    "stranger": Stranger,
    "slotted": Slotted,
    "row": _rows,
    "dict": lambda: {"a": 1, "b": "x"},
    "unset": lambda: thing(
        b=strawberry.UNSET, odd=strawberry.UNSET, loose_inners=[strawberry.UNSET]
    ),
    "deep error": lambda: thing(
        inner=thing(inner=thing(a=error())), inners=[thing(), thing(a=None)]
    ),
    "deep list error": _deep_list_error,
    "negative": _negative,
    "awaited inners": lambda: thing(
        inners=[thing(), soon(thing(a=2))], loose_inners=[soon(None), soon(error()), thing()]
    ),
    "awaited": _awaited,
    "futures": lambda: thing(
        a=future(4), inner=future(thing()), matrix=future([future([future(1)])])
    ),
    "awaited null": lambda: thing(
        a=soon(None), inner=thing(a=soon(None)), inners=[soon(thing(a=soon(None))), thing()]
    ),
    "awaited errors": _awaited_errors,
    "same error everywhere": _same_error_everywhere,
    "overflow": lambda: thing(a=2**31, inner=thing(a=-(2**31)), inners=[thing(a=2**31 - 1)]),
    "odd numbers": lambda: thing(
        a=True, b=1, inner=thing(a=1.0, b=True), inners=[thing(a="7", b=1.5)]
    ),
    "subclasses": lambda: thing(
        inner=subclassed(thing()),
        inners=[subclassed(thing()), thing()],
        pets=[subclassed(cat()), subclassed(dog()), LazyCat()],
        animals=[LazyCat(), subclassed(dog())],
    ),
    "exception as an object": lambda: thing(inner=_Raised()),
    "other attribute": lambda: _with_attribute("extra"),
    "awaitable object": lambda: thing(inner=_Awaiting(a=1, b="w")),
    "friends": lambda: thing(
        pets=[dog(friend=cat()), dog(friend=dog()), dog(friend=Row(name="r"))]
    ),
    "cast": _cast,
    "cast inner": lambda: thing(inner=cast(Cat, thing()), inners=[cast(Thing, Row(a=1, b="r"))]),
    "orm": _orm,
    "wrong union": lambda: thing(
        pets=[thing(), 5, "x", cat(lives=None)], strict_pets=[cat(), thing()]
    ),
    "null in a strict union": lambda: thing(
        strict_pets=[cat(), None], animals=[cat(lives=error()), dog(tricks=None), thing()]
    ),
    "boxes": lambda: thing(boxes=[Box(value=1, more=[1, None]), Box(value=2)]),
    "wrong box": lambda: thing(boxes=[Box(value=1), Box(value="x")]),
    "enum": lambda: thing(odd="ONE", odds=[1, (2, 2), Oddity.TWO, "x", None, Color.RED]),
    "even": lambda: thing(even=3, evens=[2, 3, 100, None, "x", 4], inner=thing(even=100)),
    "awaited evens": lambda: thing(evens=[soon(2), soon(3), 4], even=soon(100)),
    "missing": lambda: _without("b"),
}


def _as(kind: Callable[[list[Any]], Any], *, hashable: bool) -> Callable[[], Thing]:
    return lambda: thing(
        evens=kind([2, 4]),
        matrix=kind([(1, 2)]),
        inners=kind([] if hashable else [thing()]),
        pets=kind([] if hashable else [cat(), cat(lives=1)]),
    )


_KINDS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "iterator": iter,
    "deque": collections.deque,
    "generator": lambda items: (item for item in items),
    "async generator": one_by_one,
    "text": lambda _: "ab",
    "user list": collections.UserList,
}
CASES |= {f"list as {name}": _as(kind, hashable=False) for name, kind in _KINDS.items()}
CASES |= {f"list as {kind.__name__}": _as(kind, hashable=True) for kind in (set, dict.fromkeys)}


def _matrix(make: Callable[[], Any]) -> Callable[[], Thing]:
    return lambda: thing(
        matrix=make(),
        loose=make(),
        inner=thing(loose=make()),
        inners=[thing(matrix=make()), thing()],
    )


_MATRICES: Iterable[Callable[[], Any]] = (
    lambda: None,
    error,
    lambda: "x",
    lambda: 5,
    lambda: [None],
    lambda: [[None]],
    lambda: [[1], None],
    lambda: [[1], [error()]],
    lambda: [error()],
    lambda: [[1, 2.5]],
    lambda: [soon([1, soon(None)])],
)
CASES |= {f"matrix {number}": _matrix(make) for number, make in enumerate(_MATRICES)}

_PETS = (
    "__typename ... on Cat { lives name } ... on Dog { tricks friend { name ... on Cat { purr } } }"
)
_ALL = f"""a b matrix loose pets {{ {_PETS} }} strictPets {{ {_PETS} }}
  animals {{ name ... on Cat {{ purr lives }} ... on Dog {{ tricks }} }}
  plain: animals {{ __typename name ... on Cat {{ lives }} ... on Dog {{ tricks }} }}
  wide {{ __typename ... on IntBox {{ i: value more }} ... on StrBox {{ s: value }}
    ... on Orm {{ lives }} }} odd odds even evens class"""
_LEVELS = f"""{_ALL} inner {{ {_ALL} inner {{ a b slow }} }} inners {{ {_ALL} }}
  looseInners {{ a b inner {{ a }} }} slow"""
_MIXED = """a slow b x: slow(n: 3) inners { a slow(n: 2) b inners { a } fails }
  looseInners { slow a fails(n: 2) } strictInners { a slow inner { a b slow } }"""
DOCUMENTS = {
    "plain": f"query($c: String!) {{ value(case: $c) {{ {_ALL} }} }}",
    "levels": f"query($c: String!) {{ value(case: $c) {{ {_LEVELS} }} }}",
    "levels later": f"""query($c: String!) {{
      later(case: $c) {{ {_LEVELS} boxes {{ value more }} shout }} }}""",
    "list": f"query($c: String!) {{ things(case: $c) {{ {_ALL} boxes {{ value more }} }} }}",
    "mixed": f"""query($c: String!) {{
      things(case: $c) {{ {_MIXED} }} other: later(case: $c) {{ {_MIXED} }} }}""",
    "order": """query($c: String!) {
      value(case: $c) { fails(n: 3) y: fails z: fails(n: 2) slow failsNow }
      later(case: $c) { fails a } }""",
    "changes": """query($c: String!) { value(case: $c) {
      b setB(to: "new") c: b inner { b setB(to: "y") d: b } e: b slow f: b } }""",
    "mutation": f"""mutation($c: String!) {{ x: value(case: $c) {{ {_ALL} }}
      y: later(case: $c) {{ fails slow }} z: value(case: $c) {{ failsNow }} }}""",
    "no propagation": f"""query($c: String!) @experimental_disableErrorPropagation {{
      value(case: $c) {{ {_LEVELS} }} later(case: $c) {{ {_MIXED} }} }}""",
    "fragments": """query($c: String!) { value(case: $c) { ...F a inner { a } ...G } }
      fragment F on Thing { inner { b ...G } inners { a } }
      fragment G on Thing { inner { even } inners { b slow } pets { ...P } }
      fragment P on Animal { name ... on Cat { lives }
        ... on Dog { friend { name } friend { ...N } } }
      fragment N on Animal { __typename name }""",
}
DIRECTIVE = """query($c: String!, $l: [Int!] = [1, 2]) {
  value(case: $c) { b @loud(times: $l) a inner { b @loud } } }"""
SKIPS = """query($a: Boolean!, $b: Boolean! = true) { value(case: "good") @skip(if: $a) {
    a @include(if: $b) b @skip(if: $a) @include(if: $b) ...F @skip(if: $b) } }
  fragment F on Thing {
    inner { a @skip(if: $a) } inners @include(if: $a) { slow a @skip(if: $b) } }"""
_MANY = " ".join(f"x{number}: a" for number in range(3000))
OTHERS = [
    "{ __typename }",
    '{ __type(name: "Thing") { name fields { name args { name } } } x: __typename }',
    f'{{ value(case: "good") {{ {_MANY} }} }}',
    f'{{ value(case: "good") {{ a {"inner { a " * 40}{"}" * 40} }} }}',
    '{ value(case: "good") { a nope } }',
    "{ value(case: 5) { a } }",
]
