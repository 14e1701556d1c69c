"""Documents that were parsed and found valid once, kept for the next time."""

from collections import OrderedDict
from dataclasses import dataclass, field

from graphql import DocumentNode

# Characters of the kept documents' texts. In memory a document takes about a hundred times as much.
CAPACITY = 500_000


@dataclass(slots=True)
class ValidDocuments:
    """The documents of one schema that were asked for last, by their text."""

    capacity: int = CAPACITY
    _documents: OrderedDict[str, DocumentNode] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, text: str) -> DocumentNode | None:
        """Return the document of this text if it is kept."""
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def keep(self, text: str, document: DocumentNode) -> None:
        """Keep a valid document, and forget those that nobody asked for longest."""
        if text in self._documents:
            return
        self._documents[text] = document
        self._size += len(text)
        while self._size > self.capacity:
            forgotten, _ = self._documents.popitem(last=False)
            self._size -= len(forgotten)
