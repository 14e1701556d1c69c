"""The checks that every operation passes before a resolver runs."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import DocumentNode, OperationDefinitionNode, OperationType

from domain.concurrency.fair_queue import FairQueue
from domain.errors import RateLimitedError
from gql.documents.reader import DocumentReader
from gql.documents.trusted import requested_text
from gql.documents.validation import (
    OperationTypeError,
    chosen_operation,
    require_cost,
    require_variables,
)
from gql.errors import InvalidOperationError
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, CostModel
from gql.limits.limits import Limits
from gql.limits.turns import user_turns
from gql.observation import Observation
from gql.request import GraphQLParams


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that may be executed, with its cost."""

    user_id: UUID
    text: str
    document: DocumentNode
    node: OperationDefinitionNode
    variables: dict[str, Any]
    extensions: Mapping[str, Any] | None
    cost: int

    @property
    def name(self) -> str | None:
        """The name that the client gave it, if any."""
        return self.node.name.value if self.node.name else None


@dataclass(frozen=True, slots=True)
class Admission:
    """Admits operations, by the limits and budgets of one installation."""

    limits: Limits
    reader: DocumentReader
    costs: CostModel
    budgets: Budgets
    # Returns the text of a registered document by its SHA-256, or None.
    find_document: Callable[[str], Awaitable[str | None]]
    only_trusted: bool = False
    turns: FairQueue = field(default_factory=user_turns)

    async def admit(
        self, params: GraphQLParams, allowed: Collection[OperationType], observation: Observation
    ) -> Operation:
        """Return the operation that a client asks for, and spend its cost.

        The checks are ordered by their cost for the server: the user's budget as far as this
        process knows it, the parser's limits, the document's shape, the schema's rules, the
        operation's cost, the user's budget. A refused operation costs `BASE`, and the CPU time of
        reading its document.

        Raises:
            InvalidOperationError: the document does not fit the schema.
            UnknownOperationError, OperationTypeError: the document has no operation to execute.
            DomainError, GraphQLError: another check failed.
        """
        user_id = observation.request.actor_id
        assert user_id is not None, "the transport verifies the token first"
        try:
            operation = await self._checked(params, user_id, allowed, observation)
        except RateLimitedError:
            raise
        except BaseException:
            # An overdrawn budget refuses the user's next request, not this one.
            with suppress(RateLimitedError):
                await self.budgets.spend(user_id, BASE)
            raise
        observation.cost = operation.cost
        await self.budgets.spend(user_id, operation.cost)
        return operation

    async def _checked(
        self,
        params: GraphQLParams,
        user_id: UUID,
        allowed: Collection[OperationType],
        observation: Observation,
    ) -> Operation:
        self.budgets.require(user_id)
        text = await requested_text(
            params.query, params.extensions, self.find_document, only_trusted=self.only_trusted
        )
        reading = await self.reader.read(text or "", user_id)
        if reading.refusal is not None:
            raise reading.refusal
        assert reading.document is not None
        node = observation.node = chosen_operation(reading.document, params.operation_name)
        if node.operation not in allowed:
            raise OperationTypeError(node.operation)
        if reading.errors:
            raise InvalidOperationError(reading.errors)
        variables = params.variables or {}
        require_variables(variables, self.limits)
        cost = require_cost(self.costs, reading.document, node, variables, self.limits)
        return Operation(
            user_id, text or "", reading.document, node, variables, params.extensions, cost
        )
