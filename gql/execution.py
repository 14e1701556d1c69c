"""The execution of operations: one straight sequence from the document to the answer.

observe -> admit -> execute -> map errors -> measure -> audit
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Collection
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, cast

import graphql
from graphql import OperationType
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_root_selection_set,
    execute_subscription_event,
)
from strawberry import Schema
from strawberry.execution import optimized_is_awaitable
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.utils.await_maybe import await_maybe

from domain.concurrency.fair_queue import Turn
from gql.admission import Admission, Operation
from gql.audit import audit_refusals
from gql.compiled import CompiledExecutor
from gql.context import Context
from gql.documents.validation import MAX_ERRORS, OperationTypeError, UnknownOperationError
from gql.errors import InvalidOperationError, public_errors
from gql.limits.shape import fragments_of
from gql.live.events import LiveEvent, SharedResult
from gql.live.executions import Equality
from gql.live.groups import Groups
from gql.live.outlets import Outlet
from gql.live.subscribers import LiveParts, Subscriber
from gql.live.tabs import Tabs
from gql.observation import Observation, observed
from gql.request import GraphQLParams, Request

# A result, and the commit time of its event.
_Committed = tuple[ExecutionResult, datetime | None]


class Operations:
    """Executes the operations of a schema; every answer holds public errors only."""

    def __init__(self, schema: Schema, admission: Admission) -> None:
        self.schema = schema
        self.admission = admission
        self._live = LiveParts(
            Groups(), Equality(schema._schema), Tabs(admission.budgets), admission.turns
        )

    def turn_of(self, request: Request) -> Turn:
        """Return the caller's turn, to wait for before any work is done for an operation."""
        return Turn(self.admission.turns, request.actor_id)

    async def execute(
        self, params: GraphQLParams, context: Context, allowed: Collection[OperationType]
    ) -> ExecutionResult:
        """Execute a query or mutation.

        Raises:
            UnknownOperationError, OperationTypeError: the document has no operation to execute.
        """
        with observed(context.request) as observation:
            try:
                operation = await self.admission.admit(params, allowed, observation)
                result = await self._execute(operation, context)
            except (UnknownOperationError, OperationTypeError):
                raise
            except Exception as error:  # noqa: BLE001 - every error has to be answered
                result = _failure(error)
            return self._answer(result, observation)

    async def stream(
        self,
        params: GraphQLParams,
        context: Context,
        allowed: Collection[OperationType] = frozenset(OperationType),
        outlet: Outlet | None = None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute any operation, and yield its results; an error is the last one.

        Ask for the next result when the last one has been sent. With an outlet, events of a
        subscription that has caught up go there instead.
        """
        with observed(context.request) as observation:
            all_ = self._results(params, context, allowed, observation, outlet)
            async with aclosing(all_) as results:
                while True:
                    committed_at = None
                    try:
                        result, committed_at = await anext(results)
                    except StopAsyncIteration:
                        return
                    except Exception as error:  # noqa: BLE001 - every error has to be answered
                        result = _failure(error)
                    yield self._answer(result, observation)
                    # It can be large, and the next one can be hours away.
                    del result
                    observation.delivered(committed_at)
                    # A subscriber with many events to read must not delay the others.
                    await asyncio.sleep(0)

    async def _results(
        self,
        params: GraphQLParams,
        context: Context,
        allowed: Collection[OperationType],
        observation: Observation,
        outlet: Outlet | None,
    ) -> AsyncGenerator[_Committed, None]:
        operation = await self.admission.admit(params, allowed, observation)
        if operation.node.operation is not OperationType.SUBSCRIPTION:
            await context.principal()
            yield await self._execute(operation, context), None
            return
        await context.begin_stream()
        async with aclosing(self._subscribe(operation, context, observation, outlet)) as results:
            async for result in results:
                yield result

    async def _execute(self, operation: Operation, context: Context) -> ExecutionResult:
        executor = self._executor(operation, context)
        result = await await_maybe(execute_root_selection_set(executor))
        context.request.end_turn()
        return ExecutionResult(result.data, result.errors)

    async def _subscribe(
        self,
        operation: Operation,
        context: Context,
        observation: Observation,
        outlet: Outlet | None,
    ) -> AsyncGenerator[_Committed, None]:
        executor = self._executor(operation, context)
        observation.subscribed()
        cost_of = partial(self._event_cost, operation)
        subscriber = Subscriber(self._live, operation, context, observation, outlet, cost_of)
        context.subscription = subscriber
        try:
            source = await await_maybe(create_source_event_stream(executor))
            # Each event waits for its own turn.
            context.request.end_turn()
            if isinstance(source, graphql.ExecutionResult):
                raise InvalidOperationError(source.errors or [])
            async with aclosing(cast("AsyncGenerator[object, None]", source)) as events:
                async for event in events:
                    execute = partial(_execute_event, executor, event)
                    committed_at = event.committed_at if isinstance(event, LiveEvent) else None
                    yield await subscriber.execute(event, execute), committed_at
                    del event, execute
        finally:
            subscriber.leave()

    def _event_cost(self, operation: Operation, type_: type) -> int:
        return self.admission.costs.event_cost(
            operation.node, fragments_of(operation.document), operation.variables, type_.__name__
        )

    def _executor(self, operation: Operation, context: Context) -> Executor[Any]:
        """Return the executor of an operation.

        Raises:
            InvalidOperationError: a variable does not fit the schema.
        """
        executor = CompiledExecutor.build(
            self.schema._schema,
            operation.document,
            context_value=context,
            raw_variable_values=operation.variables,
            operation_name=operation.name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=not self.admission.limits.suggestions,
            is_awaitable=cast("Any", optimized_is_awaitable),
            operation_extensions=operation.extensions,
        )
        if isinstance(executor, list):
            raise InvalidOperationError(executor)
        return executor

    def _answer(self, result: ExecutionResult, observation: Observation) -> ExecutionResult:
        """Make a result fit to leave the server: map its errors, then measure and audit it.

        The result may be shared, so it is not changed.
        """
        if observation.is_answered and not result.errors:
            return result
        errors = public_errors(result.errors or [])
        extensions = None
        if observation.cost is not None and not observation.is_answered:
            limit = self.admission.limits.cost
            extensions = {"cost": {"points": observation.cost, "limit": limit}}
        observation.answered(errors)
        audit_refusals(errors)
        return replace(result, errors=[*errors] or None, extensions=extensions)


def _execute_event(
    executor: Executor[Any], event: object
) -> SharedResult | asyncio.Task[SharedResult]:
    """Execute one event, in a task only if a resolver has to wait."""
    root = event.build() if isinstance(event, LiveEvent) else event
    result = execute_subscription_event(executor.build_per_event_executor(root))
    if isinstance(result, graphql.ExecutionResult):
        return SharedResult(result.data, result.errors)
    return asyncio.create_task(_shared(result))


async def _shared(result: Awaitable[graphql.ExecutionResult]) -> SharedResult:
    executed = await result
    return SharedResult(executed.data, executed.errors)


def _failure(error: Exception) -> PreExecutionError:
    errors = error.errors if isinstance(error, InvalidOperationError) else [error]
    return PreExecutionError(data=None, errors=[*public_errors(errors)])
