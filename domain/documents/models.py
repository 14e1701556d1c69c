"""The GraphQL documents of clients that an operator trusts."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustedDocument:
    """A client's document, unchanged, with the name of its operation."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The hash that clients send, in lowercase hexadecimal digits."""
        return sha256_of(self.text)


def sha256_of(text: str) -> str:
    """Return a document's hash in lowercase hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
