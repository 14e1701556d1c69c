"""Comparison of compiled execution with graphql-core's."""

import asyncio
import gc
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import strawberry
from graphql import GraphQLError
from graphql.type.directives import GraphQLDisableErrorPropagationDirective
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache
from strawberry.schema.config import StrawberryConfig

from gql.compiled import CompiledExecutor
from tests.gql.compiled.leaves import SCALARS, other
from tests.gql.compiled.spoiled import random, without_addresses

# Runs of graphql-core that have to show the same answer before a difference counts.
RUNS = 100


@dataclass(frozen=True)
class Pair:
    """The same schema with graphql-core's executor and with the compiled one."""

    core: strawberry.Schema
    compiled: strawberry.Schema

    @classmethod
    def of(cls, types: dict[str, Any], *extensions: Any, **more: Any) -> "Pair":
        """Build the two schemas; `default_resolver` is an option of the configuration."""
        options = {key: more.pop(key) for key in ("default_resolver",) if key in more}
        build = partial(
            strawberry.Schema,
            **types,
            extensions=[lambda: ParserCache(maxsize=3000), *extensions],
            config=StrawberryConfig(scalar_map=SCALARS, **options),
            **more,
        )
        pair = cls(build(), build(execution_context_class=CompiledExecutor))
        for schema in (pair.core._schema, pair.compiled._schema):
            schema.directives = (*schema.directives, GraphQLDisableErrorPropagationDirective)
        return pair


@dataclass
class Comparison:
    """Compares answers, errors in their order, resolvers' calls and DataLoaders' batches.

    `unsteady` counts the answers in which graphql-core differs from itself. When a null goes up
    past awaited resolvers, it cancels them in an order that depends on addresses in memory, so it
    runs now more of them, now fewer.
    """

    pair: Pair
    tally: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    async def compare(self, document: str, variables: dict[str, Any], seed: int = 0) -> None:
        """Execute an operation with both; it is compiled from its second run on."""
        core = await answer(self.pair.core, document, variables, seed)
        if not core.was_executed:
            self.tally["invalid"] += 1
            return
        compiled = await answer(self.pair.compiled, document, variables, seed)
        self.tally["compared"] += 1
        self.tally["with errors"] += core.has_errors
        if core.seen == compiled.seen:
            return
        if core.has_errors and await self._is_unsteady(core, document, variables, seed):
            self.tally["unsteady"] += 1
            return
        self.tally["different"] += 1
        both = f"graphql-core: {core.seen}\n  compiled: {compiled.seen}"
        self.differences.append(f"{document} {variables} {seed}\n  {both}")

    def require_no_difference(self) -> None:
        """Fail with every difference, and if nothing was compared."""
        assert self.differences == []
        assert self.tally["compared"] > 0

    async def _is_unsteady(
        self, first: "Answer", document: str, variables: dict[str, Any], seed: int
    ) -> bool:
        elsewhere: list[list[object]] = []
        for run in range(RUNS):
            if (await answer(self.pair.core, document, variables, seed)).seen != first.seen:
                return True
            elsewhere.append([object() for _ in range(run * 7)])
        return False


@dataclass(frozen=True)
class Answer:
    """All that a caller notices of one execution."""

    seen: str
    was_executed: bool
    has_errors: bool


async def answer(
    schema: strawberry.Schema, document: str, variables: dict[str, Any], seed: int
) -> Answer:
    """Execute an operation, and wait for what it leaves in the background."""
    calls: list[Any] = []
    batches: list[Any] = []

    async def load(keys: list[tuple[str, int]]) -> list[Any]:
        batches.append(keys)
        return [_loaded(name, k) for name, k in keys]

    context = {"seed": seed, "calls": calls, "loader": DataLoader(load)}
    # A collection may end tasks that are left in the background at any moment.
    gc.disable()
    try:
        results = await _results(schema, document, variables, context)
        await _settled()
    except asyncio.CancelledError:
        # A cancelled resolver cancels the future that its DataLoader shares with others.
        results = []
    finally:
        gc.enable()
    errors: list[GraphQLError] = [error for result in results for error in result.errors or []]
    data = [json.dumps(result.data, default=str) for result in results]
    messages = [json.dumps(error.formatted, default=str) for error in errors]
    return Answer(
        seen=without_addresses(repr((data, messages, calls, batches))),
        was_executed=data != ["null"] or any(error.path for error in errors),
        has_errors=bool(errors) or not results,
    )


def _loaded(name: str, k: int) -> Any:
    if k == 1:
        return None
    return ValueError("not loaded") if name == "t3" else other(random(1))


async def _results(
    schema: strawberry.Schema, document: str, variables: dict[str, Any], context: Any
) -> list[Any]:
    if not document.startswith("subscription"):
        return [await schema.execute(document, variables, context_value=context)]
    events: Any = await schema.subscribe(document, variables, context_value=context)
    return [event async for event in events]


async def _settled() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for _ in range(200):
        if all(task.done() for task in others):
            return
        await asyncio.sleep(0)


@contextmanager
def spoiled_values() -> Iterator[None]:
    """Ignore logs of errors, and coroutines that nothing awaits: spoiled values leave them."""
    previous = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), patch("sys.unraisablehook", lambda _: None):
            warnings.simplefilter("ignore")
            yield
            gc.collect()
    finally:
        logging.disable(previous)
