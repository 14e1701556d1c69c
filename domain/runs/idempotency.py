"""One key for equal work: equal starts share one active run (R6)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson


def idempotency_key(run_type: str, context: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that are equal for equal run types and contexts.

    The order of mapping keys does not matter. The order of a list does: sort a list whose order
    has no meaning.
    """
    canonical = orjson.dumps([run_type, context], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()
