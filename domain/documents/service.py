"""Register trusted documents, and look them up by their hash."""

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic

from domain.documents import repository
from domain.documents.models import TrustedDocument
from domain.tenancy.transactions import Transactions

# Seconds for which a document that was removed may still be found.
KEEP_SECONDS = 60.0
CAPACITY = 1000


class TrustedDocuments:
    """Looks documents up by their hash, and keeps what it found for a while."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def find(self, sha256: str) -> str | None:
        """Return the text of the registered document with this hash, in small hexadecimals."""
        found_at, text = self._kept.get(sha256, (float("-inf"), None))
        if monotonic() - found_at < KEEP_SECONDS:
            return text
        async with self._transactions.open(None) as connection:
            text = await repository.find(connection, sha256)
        self._kept.pop(sha256, None)
        if text is not None:
            self._kept[sha256] = (monotonic(), text)
            if len(self._kept) > CAPACITY:
                self._kept.popitem(last=False)
        return text


async def register(transactions: Transactions, documents: Iterable[TrustedDocument]) -> int:
    """Write documents, and return how many are new."""
    async with transactions.open(None) as connection:
        return await repository.add(connection, documents)


async def registered(transactions: Transactions) -> list[TrustedDocument]:
    """Return all registered documents, by name."""
    async with transactions.open(None) as connection:
        return await repository.every(connection)


async def forget(transactions: Transactions, sha256: str) -> bool:
    """Remove a document; API processes may run it for another minute. False if there is none."""
    async with transactions.open(None) as connection:
        return await repository.remove(connection, sha256)
