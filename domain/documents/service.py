"""Register trusted documents, and find them by hash."""

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic

from domain.documents import repository
from domain.documents.models import TrustedDocument
from domain.tenancy.transactions import Transactions

# A removed document is found for up to this many seconds.
CACHE_SECONDS = 60.0
CAPACITY = 1000


class TrustedDocuments:
    """Finds documents by hash, and caches them for `CACHE_SECONDS`."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._cached: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def find(self, sha256: str) -> str | None:
        """Return the text of the document with this hash, if it is registered."""
        read_at, text = self._cached.get(sha256, (float("-inf"), None))
        if monotonic() - read_at < CACHE_SECONDS:
            return text
        async with self._transactions.installation() as session:
            text = await repository.find(session, sha256)
        self._cached.pop(sha256, None)
        if text is not None:
            self._cached[sha256] = (monotonic(), text)
            if len(self._cached) > CAPACITY:
                self._cached.popitem(last=False)
        return text


async def register(transactions: Transactions, documents: Iterable[TrustedDocument]) -> int:
    """Register documents; return how many are new."""
    async with transactions.installation() as session:
        return await repository.add(session, documents)


async def registered(transactions: Transactions) -> list[TrustedDocument]:
    """Return all registered documents, by name."""
    async with transactions.installation() as session:
        return await repository.every(session)


async def forget(transactions: Transactions, sha256: str) -> bool:
    """Remove a document; False if there is none. API processes may run it for another minute."""
    async with transactions.installation() as session:
        return await repository.remove(session, sha256)
