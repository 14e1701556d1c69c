"""Pages of a list, with opaque absolute nextLinks."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.graph.calls import Call
from tests.graph.errors import bad_request

SKIP = "$skiptoken"


def link(url: str, options: Mapping[str, str], offset: int) -> str:
    """Return the address of the page that begins at `offset`: only the double can read it."""
    state = json.dumps([offset, options], separators=(",", ":")).encode()
    return f"{url}?{SKIP}={base64.urlsafe_b64encode(state).decode().rstrip('=')}"


def resume(call: Call) -> int:
    """Give a call that follows a nextLink its first page's options; return where it begins.

    Raises:
        GraphError: 400, if the link was changed.
    """
    if SKIP not in call.options:
        return 0
    token = call.options[SKIP]
    try:
        state = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        offset, options = json.loads(state)
    except (binascii.Error, ValueError):
        raise bad_request("Skip token is invalid.") from None
    call.options = dict(options)
    return int(offset)


def page(
    url: str, options: Mapping[str, str], items: Sequence[Any], offset: int, size: int
) -> tuple[Sequence[Any], str | None]:
    """Return a page of the items and the nextLink, None on the last page."""
    end = offset + size
    return items[offset:end], link(url, options, end) if end < len(items) else None
