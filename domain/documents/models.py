"""What a registered document is."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustedDocument:
    """A client's document, whole and unchanged, under its operation's name."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The hash by which clients name it, in small hexadecimals."""
        return sha256_of(self.text)


def sha256_of(text: str) -> str:
    """Return the hash of a document's text."""
    return hashlib.sha256(text.encode()).hexdigest()
