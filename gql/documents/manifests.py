"""Read the manifests of client builds, and check each document as the API would."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, parse

from domain.documents.models import TrustedDocument
from domain.errors import BadInputError, LimitExceededError
from gql.documents.validation import require_cost, validate_document
from gql.limits.cost import CostModel
from gql.limits.limits import Limits
from gql.limits.shape import require_shape


class UnusableManifestError(Exception):
    """A file holds no documents that the API would run; the message lists what is wrong."""


def read_documents(
    paths: Iterable[Path], schema: GraphQLSchema, limits: Limits
) -> list[TrustedDocument]:
    """Read all documents of the files, each checked as the API would check it.

    A file ends in `.graphql` and is one document, or it is a manifest in JSON: an object of
    hash and text (GraphQL Code Generator's client preset, Relay), or Apollo's operation list.

    Raises:
        UnusableManifestError: with every fault of every file.
    """
    found: list[TrustedDocument] = []
    wrong: list[str] = []
    checks = _Checks(schema, limits)
    for path in paths:
        try:
            for text, sha256 in _texts(path):
                document, fault = checks.document(text, sha256)
                found.append(document)
                if fault is not None:
                    wrong.append(f"{path}: {document.name}: {fault}")
        except (OSError, ValueError, AttributeError) as error:
            wrong.append(f"{path}: {error}")
    if wrong:
        raise UnusableManifestError("\n".join(wrong))
    return [*{document.sha256: document for document in found}.values()]


class _Checks:
    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._costs = CostModel(schema)

    def document(self, text: str, sha256: str | None) -> tuple[TrustedDocument, str | None]:
        """Return the document under its operation's name, with what is wrong with it."""
        try:
            parsed = parse(text, max_tokens=self._limits.tokens)
        except GraphQLError as error:
            return TrustedDocument("(unreadable)", text), error.message
        operations = [d for d in parsed.definitions if isinstance(d, OperationDefinitionNode)]
        names = [node.name.value for node in operations if node.name is not None]
        document = TrustedDocument(" ".join(names) or "(anonymous)", text)
        if sha256 not in (None, document.sha256):
            return document, (
                f"{sha256} is not its SHA-256. Have your build hash the whole text with SHA-256"
                " (client preset: `persistedDocuments: { hashAlgorithm: 'sha256' }`)."
            )
        try:
            require_shape(parsed, self._limits)
            if wrong := validate_document(self._schema, parsed, self._limits):
                return document, "; ".join(fault.message for fault in wrong)
            for operation in operations:
                require_cost(self._costs, parsed, operation, {}, self._limits)
        except (BadInputError, LimitExceededError) as error:
            return document, str(error)
        return document, None


def _texts(path: Path) -> Iterator[tuple[str, str | None]]:
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".graphql":
        yield content, None
        return
    manifest: Any = json.loads(content)
    if not isinstance(manifest, dict):
        raise ValueError("A manifest is a JSON object.")  # noqa: TRY004 - it is the file's fault
    entries = [*manifest.items()]
    if isinstance(operations := manifest.get("operations"), list):
        entries = [(entry.get("id"), entry.get("body")) for entry in operations]
    for sha256, text in entries:
        if not isinstance(text, str):
            raise ValueError(f"The document of {sha256} is no text.")  # noqa: TRY004
        yield text, sha256
