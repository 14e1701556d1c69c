"""The manifests of client builds, with each document checked as the API would check it."""

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
    """A file holds documents that the API would refuse; the message lists the reasons."""


def read_documents(
    paths: Iterable[Path], schema: GraphQLSchema, limits: Limits
) -> list[TrustedDocument]:
    """Read all documents of the files, each checked as the API would check it.

    A `.graphql` file is one document. Any other file is a manifest in JSON: an object from hash to
    text (GraphQL Code Generator's client preset, Relay), or Apollo's operation list.

    Raises:
        UnusableManifestError: lists every error of every file.
    """
    documents: list[TrustedDocument] = []
    errors: list[str] = []
    costs = CostModel(schema)
    for path in paths:
        try:
            for text, sha256 in _texts(path):
                document, error = _checked(text, sha256, schema, costs, limits)
                documents.append(document)
                if error is not None:
                    errors.append(f"{path}: {document.name}: {error}")
        except (OSError, ValueError, AttributeError) as unusable:
            errors.append(f"{path}: {unusable}")
    if errors:
        raise UnusableManifestError("\n".join(errors))
    return [*{document.sha256: document for document in documents}.values()]


def _checked(
    text: str, sha256: str | None, schema: GraphQLSchema, costs: CostModel, limits: Limits
) -> tuple[TrustedDocument, str | None]:
    """Return the document, named after its operations, with the reason to refuse it."""
    try:
        parsed = parse(text, max_tokens=limits.tokens)
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
        require_shape(parsed, limits)
        if errors := validate_document(schema, parsed, limits):
            return document, "; ".join(error.message for error in errors)
        for operation in operations:
            require_cost(costs, parsed, operation, {}, limits)
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
        raise ValueError("A manifest is a JSON object.")  # noqa: TRY004 - an error of the file
    entries = [*manifest.items()]
    if isinstance(operations := manifest.get("operations"), list):
        entries = [(entry.get("id"), entry.get("body")) for entry in operations]
    for sha256, text in entries:
        if not isinstance(text, str):
            raise ValueError(f"The document of {sha256} is not a text.")  # noqa: TRY004
        yield text, sha256
