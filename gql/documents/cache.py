"""A cache of valid documents, by their text."""

from collections import OrderedDict
from dataclasses import dataclass, field

from graphql import DocumentNode

# Characters of the cached texts. A parsed document takes about a hundred times as much memory, and
# each of its plans (at most four, see gql/compiled) one to three hundred times as much.
CAPACITY = 150_000


@dataclass(slots=True)
class DocumentCache:
    """The most recently used valid documents of one schema."""

    capacity: int = CAPACITY
    _documents: OrderedDict[str, DocumentNode] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, text: str) -> DocumentNode | None:
        """Return the document of this text if it is cached."""
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def keep(self, text: str, document: DocumentNode) -> None:
        """Cache a valid document, and evict the least recently used ones."""
        if text in self._documents:
            return
        self._documents[text] = document
        self._size += len(text)
        while self._size > self.capacity:
            evicted, _ = self._documents.popitem(last=False)
            self._size -= len(evicted)
