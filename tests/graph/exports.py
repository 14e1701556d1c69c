"""Policies from folders of exports, as Graph's collections hold them."""

import codecs
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.graph.policy_collections import COLLECTIONS

Document = dict[str, Any]
# An export's context, such as `…#deviceManagement/intents(assignments())/$entity`.
_CONTEXT = re.compile(r"#deviceManagement/(\w+)")
_COLLECTION_OF = {row.type_name: name for name, row in COLLECTIONS.items()}


def read_exports(folders: Iterable[Path]) -> Mapping[str, list[Document]]:
    """Return the documents of all JSON files below the folders, by collection.

    The same id in a later file replaces the earlier one, because a tenant has an id once.

    Raises:
        ValueError: a file is not an export of a collection that the double serves.
    """
    documents: dict[str, dict[str, Document]] = defaultdict(dict)
    for folder in folders:
        for file in sorted(folder.rglob("*.json")):
            document = read_document(file)
            name = _collection(document)
            if name is None:
                raise ValueError(f"{file} belongs to no collection of the double.")
            documents[name][document["id"]] = document
    return {name: [*by_id.values()] for name, by_id in documents.items()}


def read_document(file: Path) -> Document:
    """Return the object in a file in UTF-8 or UTF-16, with or without a byte order mark."""
    content = file.read_bytes()
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    document: Document = json.loads(content.decode("utf-16" if is_utf_16 else "utf-8-sig"))
    return document


def _collection(document: Document) -> str | None:
    match = _CONTEXT.search(document.get("@odata.context", ""))
    if match and match[1] in COLLECTIONS:
        return match[1]
    return _COLLECTION_OF.get(document.get("@odata.type", "").removeprefix("#microsoft.graph."))
