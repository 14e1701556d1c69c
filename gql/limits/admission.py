"""The gate that every operation passes before a resolver runs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from graphql import get_operation_ast
from strawberry.extensions import SchemaExtension

from domain.errors import LimitExceededError, RateLimitedError
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, CostModel
from gql.limits.documents import ValidDocuments
from gql.limits.limits import Limits
from gql.limits.shape import require_shape
from gql.limits.trusted import TrustedDocuments, requested_text
from gql.limits.validation import faults, require_price

# graphql-core's parser tells of too many tokens in these words only.
_TOO_MANY_TOKENS = "Parsing aborted"


@dataclass(frozen=True, slots=True)
class Gate:
    """What one installation lets in."""

    limits: Limits
    costs: CostModel
    budgets: Budgets
    trusted: TrustedDocuments
    only_trusted: bool = False
    documents: ValidDocuments = field(default_factory=ValidDocuments)


class Admission(SchemaExtension):
    """Admits one operation, or refuses it with what is too much.

    In the order of what each step costs us: the user's budget as far as it is known here, the
    parser's limit, the shape, the schema's rules, the cost, and the user's account. What fails
    on the way is charged as well.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._refusal: Exception | None = None
        self._known = False
        self._points: int | None = None
        self._told = False

    async def on_operation(self) -> AsyncIterator[None]:
        """Find the document; afterwards charge what was refused."""
        operation, gate = self.execution_context, self._gate
        try:
            gate.budgets.require(operation.context.actor_id)
            operation.query = await requested_text(
                operation.query,
                operation.operation_extensions,
                gate.trusted,
                only_trusted=gate.only_trusted,
            )
        except Exception as error:  # noqa: BLE001
            # Raised here, it would be in the answer, but in no result that other extensions see.
            self._refusal = error
            operation.query = operation.query or "# named by its hash"
        yield
        if self._points is None and not isinstance(self._refusal, RateLimitedError):
            # It tells the next request of this user, not the one that is answered already.
            with suppress(RateLimitedError):
                await gate.budgets.spend(operation.context.actor_id, BASE)

    def on_parse(self) -> Iterator[None]:
        """Take a document that was read before, or bound the parser and measure what it read."""
        if self._refusal is not None:
            raise self._refusal
        operation, limits = self.execution_context, self._gate.limits
        operation.graphql_document = self._gate.documents.get(operation.query or "")
        self._known = operation.graphql_document is not None
        operation.parse_options["max_tokens"] = limits.tokens
        yield
        if any(_TOO_MANY_TOKENS in error.message for error in operation.pre_execution_errors or ()):
            raise LimitExceededError(
                f"The document has more than {limits.tokens} tokens. Ask for less at a time."
            )
        if operation.graphql_document is not None and not self._known:
            require_shape(operation.graphql_document, limits)

    def on_validate(self) -> Iterator[None]:
        """Validate a new document; then count the points of its operation."""
        operation, gate = self.execution_context, self._gate
        document = operation.graphql_document
        assert document is not None
        operation.pre_execution_errors = (
            [] if self._known else faults(operation.schema._schema, document, gate.limits)
        )
        yield
        if operation.pre_execution_errors:
            return
        gate.documents.keep(operation.query or "", document)
        chosen = get_operation_ast(document, operation.operation_name)
        assert chosen is not None
        self._points = require_price(
            gate.costs, document, chosen, operation.variables or {}, gate.limits
        )

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge what is about to run."""
        assert self._points is not None
        await self._gate.budgets.spend(self.execution_context.context.actor_id, self._points)
        yield

    def get_results(self) -> dict[str, Any]:
        """Return the cost for the answer's `extensions`; of a stream only for the first one."""
        if self._points is None or self._told:
            return {}
        self._told = True
        return {"cost": {"points": self._points, "limit": self._gate.limits.cost}}
