"""The gate that every operation passes before a resolver runs."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil
from time import thread_time
from typing import Any

from graphql import get_operation_ast
from strawberry.extensions import SchemaExtension

from domain.errors import LimitExceededError, RateLimitedError
from domain.fair_queue import FairQueue
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, PER_CPU_SECOND, CostModel
from gql.limits.documents import ValidDocuments
from gql.limits.events import EventMeter, SharedEvents
from gql.limits.limits import Limits
from gql.limits.shape import fragments_of, require_shape
from gql.limits.trusted import TrustedDocuments, requested_text
from gql.limits.validation import faults, require_price, require_variables
from gql.serving import serving

# Operations, and events of subscriptions, that execute at a time for one user.
AT_A_TIME = 4
# Requests over HTTP of one user that may wait for that. A socket bounds its operations itself.
MOST_WAITING = 100
RETRY_SECONDS = 1.0

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
    events: SharedEvents = field(default_factory=SharedEvents)
    # For each user some of their operations execute, while their others wait.
    turns: FairQueue = field(default_factory=lambda: FairQueue(sys.maxsize, per_key=AT_A_TIME))


class Admission(SchemaExtension):
    """Admits one operation, or refuses it with what is too much.

    In the order of what each step costs us: the user's budget as far as it is known here, their
    turn, the parser's limit, the shape, the schema's rules, the cost, and the user's account.
    What fails on the way is charged as well, by the CPU that it took.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._turn = AsyncExitStack()
        self._refusal: Exception | None = None
        self._known = False
        self._reading_seconds = 0.0
        self._points: int | None = None
        self._told = False

    async def on_operation(self) -> AsyncIterator[None]:
        """Wait for the user's turn and find the document; afterwards charge what was refused."""
        operation, gate = self.execution_context, self._gate
        user_id = operation.context.actor_id
        async with self._turn:
            try:
                gate.budgets.require(user_id)
                _require_patience(gate.turns.waiting(user_id))
                await self._turn.enter_async_context(gate.turns.place(user_id))
                operation.query = await requested_text(
                    operation.query,
                    operation.operation_extensions,
                    gate.trusted,
                    only_trusted=gate.only_trusted,
                )
            except Exception as error:  # noqa: BLE001
                # Raised here, it would be in the answer, but in no result that extensions see.
                self._refusal = error
                operation.query = operation.query or "# named by its hash"
            yield
        if self._points is None and not isinstance(self._refusal, RateLimitedError):
            # It tells the next request of this user, not the one that is answered already.
            with suppress(RateLimitedError):
                await gate.budgets.spend(user_id, max(BASE, self._reading_points))

    def on_parse(self) -> Iterator[None]:
        """Take a document that was read before, or bound the parser and measure what it read."""
        if self._refusal is not None:
            raise self._refusal
        operation, limits = self.execution_context, self._gate.limits
        operation.graphql_document = self._gate.documents.get(operation.query or "")
        self._known = operation.graphql_document is not None
        operation.parse_options["max_tokens"] = limits.tokens
        with self._reading():
            yield
            if any(
                _TOO_MANY_TOKENS in error.message for error in operation.pre_execution_errors or ()
            ):
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
        with self._reading():
            operation.pre_execution_errors = (
                [] if self._known else faults(operation.schema._schema, document, gate.limits)
            )
            yield
            if operation.pre_execution_errors:
                return
            gate.documents.keep(operation.query or "", document)
            chosen = get_operation_ast(document, operation.operation_name)
            assert chosen is not None
            variables = operation.variables or {}
            require_variables(variables, gate.limits)
            self._points = require_price(gate.costs, document, chosen, variables, gate.limits)

    async def on_execute(self) -> AsyncIterator[None]:
        """Charge what is about to run, and end the turn when it has."""
        assert self._points is not None
        operation = self.execution_context
        # `BASE` pays for reading a document of ordinary size.
        reading = 0 if self._known else max(0, self._reading_points - BASE)
        await self._gate.budgets.spend(operation.context.actor_id, self._points + reading)
        operation.context.meter = self._meter()
        yield
        # The events of a subscription wait for turns of their own.
        await self._turn.aclose()

    def _meter(self) -> EventMeter:
        operation = self.execution_context
        document = operation.graphql_document
        assert document is not None
        chosen = get_operation_ast(document, operation.operation_name)
        assert chosen is not None
        return EventMeter(
            self._gate,
            operation.context.actor_id,
            chosen,
            fragments_of(document),
            operation.variables or {},
            operation.query or "",
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Measure a step that lets nothing else run meanwhile."""
        began = thread_time()
        try:
            yield
        finally:
            self._reading_seconds += thread_time() - began

    @property
    def _reading_points(self) -> int:
        return ceil(self._reading_seconds * PER_CPU_SECOND)

    def get_results(self) -> dict[str, Any]:
        """Return the cost for the answer's `extensions`; of a stream only for the first one."""
        if self._points is None or self._told:
            return {}
        self._told = True
        return {"cost": {"points": self._points, "limit": self._gate.limits.cost}}


def _require_patience(waiting: int) -> None:
    if waiting >= MOST_WAITING and serving().transport != "websocket":
        raise RateLimitedError(
            f"{waiting} of your operations wait here already, and {AT_A_TIME} are executed at a"
            " time. Wait for answers before you ask for more.",
            RETRY_SECONDS,
        )
