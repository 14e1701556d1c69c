"""Comparison of random documents.

    python -m tests.gql.compiled.many COUNT SEED

compares COUNT operations of documents that SEED draws, and as many of hypothesis-graphql's.
"""

import asyncio
import sys
from itertools import repeat

from graphql import parse, validate
from hypothesis import HealthCheck, assume, given, seed, settings, strategies
from hypothesis_graphql import nodes, queries
from strawberry.extensions import DisableValidation

from tests.gql.compiled import trees
from tests.gql.compiled.comparing import Comparison, Pair, spoiled_values
from tests.gql.compiled.documents import Documents, variables
from tests.gql.compiled.schemas import random_pair
from tests.gql.compiled.spoiled import random

# Operations of one document in a row, with other values: all but the first are compiled.
IN_A_ROW = 5
PAIR = Pair.of(trees.TYPES, DisableValidation)


def is_valid(document: str, pair: Pair) -> bool:
    """Return whether a document may be executed."""
    return not validate(pair.core._schema, parse(document), max_errors=1)


async def compare_random(count: int, draw: str) -> Comparison:
    """Compare operations with variables, directives and fragments.

    Every second document is for `trees`, with mutations and subscriptions. The others have a
    random schema each.
    """
    comparison, document = Comparison(PAIR), ""
    for number in range(count):
        r = random(f"{draw} {number}")
        if number % IN_A_ROW == 0:
            pair = comparison.pair = PAIR if number // IN_A_ROW % 2 else random_pair(number)
            generated = (Documents(pair.core._schema, r).document() for _ in repeat(None))
            document = next(text for text in generated if is_valid(text, pair))
        await comparison.compare(document, variables(r, document), r.randrange(10**6))
    return comparison


def compare_generated(count: int, draw: int) -> Comparison:
    """Compare operations by hypothesis-graphql, which reads the schema of `trees`."""
    comparison = Comparison(PAIR)
    scalars = {name: strategies.just(nodes.Int(2)) for name in ("Even", "JSON", "DateTime")}

    @seed(draw)
    @settings(
        max_examples=max(count // IN_A_ROW, 1),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(queries(str(PAIR.core), custom_scalars=scalars), strategies.integers(0, 10**6))
    def compare(document: str, first_seed: int) -> None:
        assume(is_valid(document, PAIR))

        async def in_a_row() -> None:
            for number in range(IN_A_ROW):
                await comparison.compare(document, {}, first_seed + number)

        asyncio.run(in_a_row())

    compare()
    return comparison


if __name__ == "__main__":
    with spoiled_values():
        comparisons = [
            asyncio.run(compare_random(int(sys.argv[1]), sys.argv[2])),
            compare_generated(int(sys.argv[1]), int(sys.argv[2])),
        ]
    for comparison in comparisons:
        print(dict(comparison.tally), *comparison.differences, sep="\n")  # noqa: T201
    sys.exit(any(comparison.differences for comparison in comparisons))
