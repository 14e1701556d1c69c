"""The gate that every operation passes before a resolver runs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, OperationDefinitionNode, OperationType, get_operation_ast
from strawberry.extensions import SchemaExtension

from domain.concurrency.fair_queue import FairQueue
from domain.errors import RateLimitedError
from gql.documents.reader import DocumentReader, Reading
from gql.documents.trusted import TrustedDocuments, requested_text
from gql.documents.validation import require_cost, require_variables
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, CostModel
from gql.limits.events import EventMeter, SharedEvents
from gql.limits.limits import Limits
from gql.limits.shape import fragments_of
from gql.limits.turns import user_turns


@dataclass(frozen=True, slots=True)
class Gate:
    """What one installation lets in."""

    limits: Limits
    reader: DocumentReader
    costs: CostModel
    budgets: Budgets
    trusted: TrustedDocuments
    only_trusted: bool = False
    events: SharedEvents = field(default_factory=SharedEvents)
    turns: FairQueue = field(default_factory=user_turns)


class Admission(SchemaExtension):
    """Admits one operation, or refuses it with what is too much.

    In the order of what each step costs us: the user's budget as far as it is known here, the
    parser's limit, the shape, the schema's rules, the cost, and the user's account. What fails on
    the way is charged as well, by the CPU that it took.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._reading = Reading()
        self._points: int | None = None
        self._told = False

    async def on_operation(self) -> AsyncIterator[None]:
        """Find and read the document; afterwards charge what was refused."""
        operation, gate = self.execution_context, self._gate
        user_id = operation.context.actor_id
        try:
            try:
                gate.budgets.require(user_id)
                operation.query = await requested_text(
                    operation.query,
                    operation.operation_extensions,
                    gate.trusted,
                    only_trusted=gate.only_trusted,
                )
                self._reading = await gate.reader.read(operation.query or "", user_id)
            except Exception as error:  # noqa: BLE001
                # Raised here, it would be in the answer, but in no result that extensions see.
                self._reading = Reading(refusal=error)
                operation.query = operation.query or "# named by its hash"
            yield
        finally:
            if self._points is None and not isinstance(self._reading.refusal, RateLimitedError):
                # It tells the next request of this user, not the one that is answered already.
                with suppress(RateLimitedError):
                    await gate.budgets.spend(user_id, BASE)

    def on_parse(self) -> Iterator[None]:
        """Hand over the document that was read."""
        if self._reading.refusal is not None:
            raise self._reading.refusal
        self.execution_context.graphql_document = self._reading.document
        yield

    def on_validate(self) -> Iterator[None]:
        """Hand over the errors that were found; without any, count the operation's points."""
        operation, gate = self.execution_context, self._gate
        operation.pre_execution_errors = [*self._reading.errors]
        yield
        if operation.pre_execution_errors:
            return
        variables = operation.variables or {}
        require_variables(variables, gate.limits)
        document, chosen = self._chosen()
        self._points = require_cost(gate.costs, document, chosen, variables, gate.limits)

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge what is about to run, and end the turn when it has."""
        assert self._points is not None
        operation, gate = self.execution_context, self._gate
        user_id = operation.context.actor_id
        await gate.budgets.spend(user_id, self._points)
        document, chosen = self._chosen()
        if chosen.operation is OperationType.SUBSCRIPTION:
            operation.context.meter = EventMeter(
                gate,
                user_id,
                chosen,
                fragments_of(document),
                operation.variables or {},
                operation.query or "",
            )
        yield
        # The events of a subscription wait for turns of their own.
        operation.context.turn.give_back()

    def _chosen(self) -> tuple[DocumentNode, OperationDefinitionNode]:
        operation = self.execution_context
        document = operation.graphql_document
        assert document is not None
        chosen = get_operation_ast(document, operation.operation_name)
        assert chosen is not None
        return document, chosen

    def get_results(self) -> dict[str, Any]:
        """Return the cost for the answer's `extensions`; of a stream only for the first one."""
        if self._points is None or self._told:
            return {}
        self._told = True
        return {"cost": {"points": self._points, "limit": self._gate.limits.cost}}
