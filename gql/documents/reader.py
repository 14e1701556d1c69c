"""Documents that come for the first time: read beside the event loop, one at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from time import thread_time
from uuid import UUID

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse

from domain.concurrency.fair_queue import FairQueue
from domain.errors import DomainError, LimitExceededError
from gql.documents.valid import ValidDocuments
from gql.documents.validation import validate_document
from gql.limits.budgets import Budgets
from gql.limits.cost import BASE, PER_CPU_SECOND
from gql.limits.limits import Limits
from gql.limits.shape import require_shape

# graphql-core's parser tells of too many tokens in these words only.
_TOO_MANY_TOKENS = "tokens. Parsing aborted"
# Characters of a document that is read in less time than a thread needs to be asked.
_SHORT = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a text: a document without errors, or what is wrong with it."""

    document: DocumentNode | None = None
    errors: tuple[GraphQLError, ...] = ()
    refusal: Exception | None = None
    # CPU.
    seconds: float = 0.0


@dataclass(slots=True)
class DocumentReader:
    """Reads documents for all users, in turns, and keeps those that are valid."""

    schema: GraphQLSchema
    limits: Limits
    budgets: Budgets
    known: ValidDocuments = field(default_factory=ValidDocuments)
    _turns: FairQueue = field(default_factory=lambda: FairQueue(1, per_key=1))
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="documents")
    )

    async def read(self, text: str, user_id: UUID) -> Reading:
        """Parse, measure and validate a text; take a document that was valid before as it is.

        The event loop goes on, and no user's documents wait for more than one of
        each other user. What takes longer than `BASE` pays for is charged.
        """
        if (document := self.known.get(text)) is not None:
            return Reading(document)
        if len(text) <= _SHORT:
            return self._finish(text, user_id, self._read(text))
        # A thread cannot be stopped: a client that leaves has it read to the end, and pays.
        return await asyncio.shield(asyncio.create_task(self._read_beside(text, user_id)))

    async def _read_beside(self, text: str, user_id: UUID) -> Reading:
        loop = asyncio.get_running_loop()
        async with self._turns.place(user_id):
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
            require_shape(document, self.limits)
            errors = tuple(validate_document(self.schema, document, self.limits))
        except (DomainError, GraphQLSyntaxError) as error:
            refusal = _in_our_words(error, self.limits)
            return Reading(refusal=refusal, seconds=thread_time() - began)
        return Reading(document, errors, seconds=thread_time() - began)


def _in_our_words(error: Exception, limits: Limits) -> Exception:
    if _TOO_MANY_TOKENS in str(error):
        return LimitExceededError(
            f"The document has more than {limits.tokens} tokens. Ask for less at a time."
        )
    return error
