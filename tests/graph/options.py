"""The query options of OData that the double understands; it refuses all others, as Graph does."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tests.graph.errors import GraphError, bad_request

_COMPARISON = re.compile(
    r"\s*(?P<name>\w+)\s+(?P<operator>eq|ne)\s+(?P<value>'(?:[^']|'')*'|\w+)\s*"
    r"|\s*startswith\(\s*(?P<prefixed>\w+)\s*,\s*(?P<prefix>'(?:[^']|'')*')\s*\)\s*"
)
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


def read_options(query: str) -> dict[str, str]:
    """Return the options of a query; `%24select` and `$select` are the same."""
    return dict(parse_qsl(query, keep_blank_values=True))


def require_known(options: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse the options that this path does not support.

    Raises:
        GraphError: 400, with the option's name.
    """
    for name in options:
        if name.startswith("$") and name not in known:
            raise bad_request(f"Query option '{name}' is not allowed.")


def top(options: Mapping[str, str], most: int) -> int:
    """Return the page's size: the server decides the largest."""
    text = options.get("$top", str(most))
    if not text.isdecimal() or text == "0":
        raise bad_request(f"Invalid value '{text}' for $top query option found.")
    return min(int(text), most)


def selected(options: Mapping[str, str]) -> frozenset[str] | None:
    """Return the properties that `$select` names, or None without it."""
    if "$select" not in options:
        return None
    return frozenset(name.strip() for name in options["$select"].split(","))


def expansions(options: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return what `$expand` names, each with the options in its brackets."""
    expanded = {}
    for part in _split(options.get("$expand", ""), ","):
        name, _, inner = part.strip().partition("(")
        pairs = (one.partition("=") for one in _split(inner.removesuffix(")"), ";"))
        expanded[name] = {key.strip(): value for key, _, value in pairs}
    return expanded


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside of brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part for part in parts if part]


def matches(options: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    """Return the test that `$filter` describes: comparisons joined by `and` or by `or`.

    Raises:
        GraphError: 400, for any other filter.
    """
    text = options.get("$filter")
    if text is None:
        return lambda _: True
    for word, join in ((" or ", any), (" and ", all)):
        if word in text:
            tests = [_comparison(part) for part in text.split(word)]
            return lambda item: join(test(item) for test in tests)
    return _comparison(text)


def _comparison(text: str) -> Callable[[Mapping[str, Any]], bool]:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise _invalid_filter()
    if match["prefixed"]:
        name, prefix = match["prefixed"], _text(match["prefix"]).casefold()
        return lambda item: str(item.get(name) or "").casefold().startswith(prefix)
    name, negated, value = match["name"], match["operator"] == "ne", _value(match["value"])
    return lambda item: (item.get(name) == value) is not negated


def _value(text: str) -> Any:
    if text.startswith("'"):
        return _text(text)
    if text.isdecimal():
        return int(text)
    if text not in _CONSTANTS:
        raise _invalid_filter()
    return _CONSTANTS[text]


def _text(quoted: str) -> str:
    return quoted[1:-1].replace("''", "'")


def _invalid_filter() -> GraphError:
    return bad_request("Invalid filter clause.")
