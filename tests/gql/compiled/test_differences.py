"""Compiled answers are graphql-core's, for hand-picked cases and for random documents."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from graphql import get_introspection_query

from tests.gql.compiled import things
from tests.gql.compiled.cases import CASES, DIRECTIVE, DOCUMENTS, OTHERS, SKIPS
from tests.gql.compiled.comparing import Comparison, Pair, answer, spoiled_values
from tests.gql.compiled.many import compare_generated, compare_random

PAIR = Pair.of(things.TYPES)
# What makes the executor step back from a whole operation, or from single fields.
OPTIONS = {
    "resolving extension": Pair.of(things.TYPES, things.Watching),
    "awaiting extension": Pair.of(things.TYPES, things.Slow),
    "custom directive": Pair.of(things.TYPES, directives=[things.loud]),
    "default resolver": Pair.of(
        things.TYPES,
        default_resolver=lambda source, name: (
            source[name] if isinstance(source, dict) else getattr(source, name)
        ),
    ),
}


@pytest.fixture(autouse=True)
def _spoiled() -> Iterator[None]:
    things.VALUES.update(CASES)
    with spoiled_values():
        yield
    things.VALUES.clear()


async def _compare_cases(pair: Pair, document: str) -> None:
    comparison = Comparison(pair)
    for case in CASES:
        await comparison.compare(document, {"c": case})
    comparison.require_no_difference()
    assert comparison.tally["unsteady"] == 0


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_an_answer_is_the_same_for_every_value(name: str) -> None:
    await _compare_cases(PAIR, DOCUMENTS[name])


@pytest.mark.parametrize("option", OPTIONS)
async def test_an_answer_is_the_same_with_an_option_of_the_schema(option: str) -> None:
    document = DIRECTIVE if option == "custom directive" else DOCUMENTS["mixed"]
    await _compare_cases(OPTIONS[option], document)


async def test_every_choice_of_skip_and_include_has_the_same_answer() -> None:
    comparison = Comparison(PAIR)
    for _ in range(2):
        for a in (True, False):
            for b in (True, False):
                await comparison.compare(SKIPS, {"a": a, "b": b})
    comparison.require_no_difference()


@pytest.mark.parametrize("number", range(len(OTHERS)))
async def test_an_unusual_document_has_the_same_answer(number: int) -> None:
    comparison = Comparison(PAIR)
    for _ in range(3):
        await comparison.compare(OTHERS[number], {})
    assert comparison.differences == []


async def test_introspection_has_the_same_answer() -> None:
    comparison = Comparison(PAIR)
    for _ in range(3):
        await comparison.compare(get_introspection_query(), {})
    comparison.require_no_difference()


async def test_operations_at_the_same_time_do_not_mix() -> None:
    document = DOCUMENTS["levels later"]
    alone = [await answer(PAIR.core, document, {"c": case}, 0) for case in CASES]
    running = [answer(PAIR.compiled, document, {"c": case}, 0) for case in CASES]
    assert await asyncio.gather(*running) == alone


async def test_a_cancelled_operation_leaves_its_plan_intact() -> None:
    comparison, document = Comparison(PAIR), DOCUMENTS["mixed"]
    for case in CASES:
        task = asyncio.ensure_future(answer(PAIR.compiled, document, {"c": case}, 0))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await comparison.compare(document, {"c": case})
    comparison.require_no_difference()


def test_threads_share_a_plan() -> None:
    document = """query($c: String!) { value(case: $c) {
      a b matrix inner { a b } inners { a b failsNow } pets { __typename } } }"""
    cases = ["good", "deep error", "row", "none", "error", "matrix 6", "cast", "orm"] * 10

    def execute(case: str) -> list[str]:
        both = (schema.execute_sync(document, {"c": case}) for schema in (PAIR.core, PAIR.compiled))
        return [f"{result.data} {result.errors}" for result in both]

    with ThreadPoolExecutor(4) as threads:
        for core, compiled in threads.map(execute, cases):
            assert compiled == core


async def test_random_documents_have_the_same_answers() -> None:
    (await compare_random(120, "1")).require_no_difference()


def test_documents_by_hypothesis_have_the_same_answers() -> None:
    compare_generated(200, 1).require_no_difference()
