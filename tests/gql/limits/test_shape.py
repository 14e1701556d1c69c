"""The limits on a document's shape, checked in bounded time."""

from dataclasses import replace

import pytest
from graphql import get_introspection_query, parse

from domain.errors import BadInputError, LimitExceededError
from gql.limits.limits import Limits
from gql.limits.shape import require_shape


def measure(text: str, **limits: int) -> None:
    require_shape(parse(text), replace(Limits(), **limits))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "what", "most"),
    [
        ("{ a { b { c } } }", "depth", 3),
        ("{ ...F } fragment F on T { a { b } }", "depth", 2),
        ("{ a { ... { b { ... on T { c } } } } }", "depth", 3),
        ("{ a b { c } }", "fields", 3),
        ("{ ...F b { ...F } } fragment F on T { a }", "fields", 5),
        ("{ x: a y: a b }", "aliases", 2),
        ("{ ...F b { ...F } } fragment F on T { x: a }", "aliases", 2),
        ("query @d { a @d ... @d { b } ...F @d } fragment F on T @d { c @d @d }", "directives", 7),
        ("query ($v: Int @d) { a(v: $v) }", "directives", 1),
        ("{ a a b { c c } x: b { d } x: b { e } }", "duplicates", 3),
        ("{ ...F ...F } fragment F on T { a }", "duplicates", 1),
    ],
)
def test_a_document_within_its_limit_passes_and_one_beyond_is_refused(
    text: str, what: str, most: int
) -> None:
    measure(text, **{what: most})
    with pytest.raises(LimitExceededError, match=rf"more than {most - 1} .*{what}"):
        measure(text, **{what: most - 1})


def test_each_operation_of_a_document_is_measured_separately() -> None:
    measure("query A { a b } query B { c d }", fields=2)
    with pytest.raises(LimitExceededError):
        measure("query A { a } query B { a b c }", fields=2)


@pytest.mark.parametrize(
    "text",
    [
        # Each fragment twice inside the next one: 2**40 fields.
        "{ ...F40 } fragment F0 on T { a }"
        + "".join(
            f" fragment F{n} on T {{ x {{ ...F{n - 1} }} y {{ ...F{n - 1} }} }}"
            for n in range(1, 41)
        ),
        "{ ...F40 } fragment F0 on T { ... { a } }"
        + "".join(
            f" fragment F{n} on T {{ ...F{n - 1} ... {{ ...F{n - 1} }} }}" for n in range(1, 41)
        ),
        # A chain that is deeper than Python's stack.
        "{ ...F1500 } fragment F0 on T { a }"
        + "".join(f" fragment F{n} on T {{ ...F{n - 1} }}" for n in range(1, 1501)),
    ],
    ids=["fields", "fragments alone", "chain"],
)
def test_exponential_fragments_are_refused_quickly(text: str) -> None:
    document = parse(text)
    with pytest.raises(LimitExceededError):
        require_shape(document, Limits(fields=100_000))


def test_an_unused_fragment_is_refused() -> None:
    rest = "fragment F on T { ...G } fragment G on T { a }"
    measure("query A { a } query B { ...F }" + rest)
    for operation in ("{ a }", "{ ...G }"):
        with pytest.raises(BadInputError, match="Fragment 'F' is never used"):
            measure(operation + rest)


def test_the_introspection_of_the_usual_tools_fits() -> None:
    everything = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )
    measure(everything)


@pytest.mark.parametrize(
    "text",
    [
        "{ ...F } fragment F on T { a ...F }",
        "{ ...F } fragment F on T { a ...G } fragment G on T { b ...F }",
        "{ ...Missing }",
    ],
)
def test_validation_reports_invalid_fragments(text: str) -> None:
    measure(text)
