"""Find out whether a policy document is complete, by the counts and links in it (P1)."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from domain.runs.failures import FailureReason, ProducerError

_NEXT = "@odata.nextLink"
_COUNT = "@odata.count"
_MAX_QUOTED = 100


def require_complete(body: Mapping[str, Any]) -> None:
    """Raise if a part of the document is missing.

    Signs of that are a `settingCount` above the number of settings, an `...@odata.count` above the
    length of the list that it counts, and an `...@odata.nextLink`, whose page was never fetched.

    Raises:
        ProducerError: INCOMPLETE_POLICY, with the first missing part.
    """
    missing = next(_missing(body), None)
    if missing is not None:
        raise ProducerError(
            FailureReason.INCOMPLETE_POLICY,
            f"The document is incomplete: it holds {missing}. Export the policy again.",
        )


def _missing(body: Mapping[str, Any]) -> Iterator[str]:
    settings = body.get("settings")
    held = len(settings) if isinstance(settings, list) else 0
    count = _number(body.get("settingCount"))
    if held < count:
        yield f"{held} of {count} settings"
    # A search in the text is faster than a walk through all values.
    text = orjson.dumps(body)
    if _NEXT.encode() in text or _COUNT.encode() in text:
        yield from _missing_pages(body)


def _missing_pages(value: Any) -> Iterator[str]:
    for name, member in value.items() if isinstance(value, dict) else ():
        listed = value.get(name.removesuffix(_COUNT))
        if name.endswith(_NEXT) and member:
            yield f"only the first page of {_quoted(name.removesuffix(_NEXT))}"
        elif name.endswith(_COUNT) and isinstance(listed, list) and len(listed) < _number(member):
            yield f"{len(listed)} of {member} {_quoted(name.removesuffix(_COUNT))}"
    if isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _missing_pages(member)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _quoted(name: str) -> str:
    return name[:_MAX_QUOTED] or "a list"
