"""One key for one piece of work: equal starts meet in one active run (R6)."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson


def idempotency_key(run_type: str, context: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that depend on the run type and the context's content alone.

    The order of mapping keys does not matter. The order of a list does; whoever
    means a set passes a sorted list.
    """
    canonical = orjson.dumps([run_type, context], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()
