"""The execution of operations: one straight sequence from the document to the answer.

observe -> admit -> execute -> map errors -> measure -> audit
"""

from collections.abc import AsyncGenerator, AsyncIterable, Collection
from contextlib import aclosing
from typing import Any, cast

import graphql
from graphql import OperationType
from graphql.execution import (
    Executor,
    create_source_event_stream,
    execute_root_selection_set,
    execute_subscription_event,
    map_source_to_response_event,
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
from gql.limits.events import EventMeter
from gql.observation import Observation, observed
from gql.request import GraphQLParams, Request


class Operations:
    """Executes the operations of a schema; every answer holds public errors only."""

    def __init__(self, schema: Schema, admission: Admission) -> None:
        self.schema = schema
        self.admission = admission

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
    ) -> AsyncGenerator[ExecutionResult, None]:
        """Execute any operation, and yield its results; an error is the last one."""
        with observed(context.request) as observation:
            try:
                operation = await self.admission.admit(params, allowed, observation)
                if operation.node.operation is not OperationType.SUBSCRIPTION:
                    yield self._answer(await self._execute(operation, context), observation)
                    return
                async with aclosing(self._subscribe(operation, context, observation)) as results:
                    async for result in results:
                        yield self._answer(result, observation)
            except Exception as error:  # noqa: BLE001 - every error has to be answered
                yield self._answer(_failure(error), observation)

    async def _execute(self, operation: Operation, context: Context) -> ExecutionResult:
        executor = self._executor(operation, context)
        result = await await_maybe(execute_root_selection_set(executor))
        context.request.end_turn()
        return ExecutionResult(result.data, result.errors)

    async def _subscribe(
        self, operation: Operation, context: Context, observation: Observation
    ) -> AsyncGenerator[ExecutionResult, None]:
        executor = self._executor(operation, context)
        observation.subscribed()
        stream = create_source_event_stream(executor)
        source: AsyncIterable[Any] | graphql.ExecutionResult = await await_maybe(stream)
        # Each event waits for its own turn.
        context.request.end_turn()
        if isinstance(source, graphql.ExecutionResult):
            raise InvalidOperationError(source.errors or [])
        meter = EventMeter(self.admission, operation)

        async def execute_event(event: Executor[Any]) -> graphql.ExecutionResult:
            async def execute() -> graphql.ExecutionResult:
                return await await_maybe(execute_subscription_event(event))

            return await meter.execute(event.root_value, execute, context.entered)

        events = map_source_to_response_event(executor, source, execute_event)
        async with aclosing(events):
            async for result in events:
                yield ExecutionResult(result.data, result.errors)

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
        """Make a result fit to leave the server: map its errors, then measure and audit it."""
        errors = public_errors(result.errors or [])
        result.errors = [*errors] or None
        if observation.cost is not None and not observation.is_answered:
            limit = self.admission.limits.cost
            result.extensions = {"cost": {"points": observation.cost, "limit": limit}}
        observation.answered(errors)
        audit_refusals(errors)
        return result


def _failure(error: Exception) -> PreExecutionError:
    errors = error.errors if isinstance(error, InvalidOperationError) else [error]
    return PreExecutionError(data=None, errors=[*public_errors(errors)])
