"""Reading new documents: parsed and validated one at a time, in a thread if they are long."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from time import thread_time
from uuid import UUID

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse

from domain.concurrency.fair_queue import FairQueue
from domain.errors import DomainError, LimitExceededError
from gql.documents.cache import DocumentCache
from gql.documents.validation import operations_of, validate_document
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, PER_CPU_SECOND
from gql.limits.limits import Limits
from gql.limits.shape import require_shape

# graphql-core's parser reports too many tokens by its message only.
_TOO_MANY_TOKENS = "tokens. Parsing aborted"
# Characters of a document that is read faster than a thread could be started.
_SHORT = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading a text: a document and its errors, or the reason to refuse it."""

    document: DocumentNode | None = None
    errors: tuple[GraphQLError, ...] = ()
    refusal: Exception | None = None
    # CPU time.
    seconds: float = 0.0


@dataclass(slots=True)
class DocumentReader:
    """Reads documents for all users in turns, and caches the valid ones."""

    schema: GraphQLSchema
    limits: Limits
    budgets: Budgets
    known: DocumentCache = field(default_factory=DocumentCache)
    _turns: FairQueue = field(default_factory=lambda: FairQueue(1, per_key=1))
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="documents")
    )

    async def read(self, text: str, user_id: UUID) -> Reading:
        """Parse, measure and validate a text, unless its document is cached.

        The event loop keeps running, and a user's document waits for at most one document of each
        other user. CPU time beyond what `BASE` covers is added to the user's cost.
        """
        if (document := self.known.get(text)) is not None:
            return Reading(document)
        if len(text) <= _SHORT:
            return self._finish(text, user_id, self._read(text))
        # A thread cannot be stopped: if the client leaves, it reads to the end, and the user pays.
        return await asyncio.shield(asyncio.create_task(self._read_in_thread(text, user_id)))

    async def _read_in_thread(self, text: str, user_id: UUID) -> Reading:
        loop = asyncio.get_running_loop()
        async with self._turns.place(user_id):
            # Clients that start at the same time send the same new document.
            if (document := self.known.get(text)) is not None:
                return Reading(document)
            reading = await loop.run_in_executor(self._thread, self._read, text)
            return self._finish(text, user_id, reading)

    def _finish(self, text: str, user_id: UUID, reading: Reading) -> Reading:
        self.budgets.owe(user_id, ceil(reading.seconds * PER_CPU_SECOND) - BASE)
        if reading.document is not None and not reading.errors:
            self.known.keep(text, reading.document)
        return reading

    def _read(self, text: str) -> Reading:
        began = thread_time()
        try:
            document = parse(text, max_tokens=self.limits.tokens)
            operations_of(document)
            require_shape(document, self.limits)
            errors = tuple(validate_document(self.schema, document, self.limits))
        except (DomainError, GraphQLSyntaxError) as error:
            refusal = _token_limit_error(error, self.limits)
            return Reading(refusal=refusal, seconds=thread_time() - began)
        return Reading(document, errors, seconds=thread_time() - began)


def _token_limit_error(error: Exception, limits: Limits) -> Exception:
    if _TOO_MANY_TOKENS in str(error):
        return LimitExceededError(
            f"The document has more than {limits.tokens} tokens. Ask for less at a time."
        )
    return error
