"""How documents are run: Strawberry's schema, with a gate, our errors and one clear operation."""

import copy
import sys
from collections.abc import Iterator
from contextlib import aclosing
from inspect import signature
from typing import Any, cast
from uuid import UUID

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.extensions.context import OperationContextManager
from strawberry.extensions.runner import SchemaExtensionsRunner
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.schema import (
    StrawberryGraphQLCoreExecutionContext,
    SubscriptionResult,
)
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError

from domain.concurrency.fair_queue import Turn
from gql.admission import Admission, Gate
from gql.audit import audit_refusals
from gql.documents.validation import MAX_FAULTS
from gql.errors import ErrorMapping, map_errors, public_error
from gql.limits.turns import user_turns
from gql.observation import OperationObservation


class AmbiguousOperationError(CannotGetOperationTypeError):
    """The document has several operations and the request names none of them."""

    def __init__(self) -> None:
        super().__init__(None)

    def as_http_error_reason(self) -> str:
        """Return the message for the client."""
        return "The document has several operations: name the one to run in `operationName`."


class ChosenOperation(SchemaExtension):
    """Refuses an ambiguous operation, of which Strawberry would run the first."""

    def on_parse(self) -> Iterator[None]:
        """Look at the document once it is parsed."""
        yield
        context = self.execution_context
        # Strawberry keeps the name that the client sent under this name only.
        if context.graphql_document is None or context._provided_operation_name is not None:
            return
        definitions = context.graphql_document.definitions
        if sum(isinstance(node, OperationDefinitionNode) for node in definitions) > 1:
            raise AmbiguousOperationError


_BUILD = signature(StrawberryGraphQLCoreExecutionContext.build)


class Execution(StrawberryGraphQLCoreExecutionContext):
    """Stops at the first few wrong variables, and meters the events of subscriptions."""

    @classmethod
    def build(cls, *args: Any, **kwargs: Any) -> Any:
        """Prepare to run an operation."""
        # graphql-core passes it by its place among the arguments.
        given = _BUILD.bind(*args, **kwargs)
        given.arguments["max_coercion_errors"] = MAX_FAULTS
        return super().build(*given.args, **given.kwargs)

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Run the operation, or one event of a subscription."""
        meter = getattr(self.context_value, "meter", None)
        if self.operation.operation is not OperationType.SUBSCRIPTION or meter is None:
            return super().execute_operation(serially)

        async def execute() -> Any:
            result = super(Execution, self).execute_operation(serially)
            return await result if self.is_awaitable(result) else result

        return meter.execute(self.root_value, execute, self.context_value.entered)


class NoSuggestions(Execution):
    """Does not tell in errors of variables which names the schema has."""

    @classmethod
    def build(cls, *args: Any, **kwargs: Any) -> Any:
        """Prepare to run an operation."""
        return super().build(*args, **{**kwargs, "hide_suggestions": True})


class _Operation(OperationContextManager):
    async def __aenter__(self) -> None:
        try:
            await super().__aenter__()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise


class ExtensionsRunner(SchemaExtensionsRunner):
    """Ends what extensions have begun when the next one fails or is cancelled at its beginning.

    Strawberry leaves that to the garbage collector.
    """

    def operation(self) -> OperationContextManager:
        """Return the context of the whole operation."""
        return _Operation(self.extensions)


class OpsrunSchema(Schema):
    """A schema whose every answer, also that of a broken extension, has public errors only."""

    _gate: Gate | None = None

    def behind(self, gate: Gate) -> "OpsrunSchema":
        """Return the same schema, of which only what passes the gate is run."""
        guarded = copy.copy(self)
        guarded._gate = gate
        guarded.execution_context_class = Execution if gate.limits.suggestions else NoSuggestions
        return guarded

    def turn_of(self, user_id: UUID | None) -> Turn:
        """Return the turn to wait for before anything is done for an operation of the user."""
        turns = user_turns() if self._gate is None else self._gate.turns
        return Turn(turns, user_id)

    def as_graphql_core(self) -> GraphQLSchema:
        """Return the schema as graphql-core knows it."""
        return self._schema

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        """Return the extensions; ours are innermost, so that all others see mapped errors.

        But the one that watches is outermost, so that it sees what the others refuse.
        """
        gate = () if self._gate is None else (Admission(self._gate),)
        return [
            OperationObservation(),
            *super().get_extensions(sync),
            *gate,
            ChosenOperation(),
            ErrorMapping(),
        ]

    def create_extensions_runner(
        self, execution_context: ExecutionContext, extensions: list[SchemaExtension]
    ) -> SchemaExtensionsRunner:
        """Return what runs the extensions of one operation."""
        return ExtensionsRunner(execution_context, extensions)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing: the mapping logs what is unexpected, and that once."""

    async def execute(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run a query or mutation; see Strawberry's `Schema.execute`."""
        result = await super().execute(*args, **kwargs)
        # An extension that failed kept the result from ErrorMapping.
        audit_refusals(map_errors(result), kwargs.get("context_value"))
        return result

    async def stream(self, *args: Any, **kwargs: Any) -> SubscriptionResult:
        """Run any operation as a stream that ends with an error instead of raising it."""
        # Other kinds of results come of incremental delivery only, which is off.
        results = cast("SubscriptionResult", await super().stream(*args, **kwargs))
        return _ending_with_error(results, kwargs.get("context_value"))


async def _ending_with_error(results: SubscriptionResult, context: object) -> SubscriptionResult:
    try:
        async with aclosing(results):
            async for result in results:
                audit_refusals(map_errors(result), context)
                yield result
    except Exception as error:  # noqa: BLE001 - whatever an extension raises has to be answered
        shown = public_error(error)
        audit_refusals([shown], context)
        yield PreExecutionError(data=None, errors=[shown])
