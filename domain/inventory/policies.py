"""Parse, check and identify policy documents (P1)."""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

import orjson

from domain.runs.failures import FailureReason, ProducerError

MAX_DEPTH = 100
MAX_ID_LENGTH = 200
MAX_NAME_LENGTH = 1000
# The number of values matters more than the number of bytes: 16 MiB of `[],[],…` take 12 seconds to
# parse, and 800 MB of memory.
MAX_VALUES = 200_000

_GRAPH = "microsoft.graph."
# Postgres and every JSON writer on the way to the client keep these exactly.
INTEGERS = range(-(2**63), 2**64)
_MAX_INTEGER_TEXT = 20
_MAX_QUOTED = 200
# Possessive, with an optional last quote, so that the time is linear for any text.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
# A NUL character, and a quote that is not written as one.
_UNUSUAL = (rb"\u0000", rb"\u0022")
# After the translation, as many digits as a number of more than 64 bits has.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 19
# By byte order mark: the encoding that it announces, and the encoding with swapped bytes. Longer
# marks come first, because they begin with a shorter one.
_BYTE_ORDERS = {
    codecs.BOM_UTF32_LE: ("utf-32-le", "utf-32-be"),
    codecs.BOM_UTF32_BE: ("utf-32-be", "utf-32-le"),
    codecs.BOM_UTF16_LE: ("utf-16-le", "utf-16-be"),
    codecs.BOM_UTF16_BE: ("utf-16-be", "utf-16-le"),
}


def parse_policy(raw: bytes) -> dict[str, Any]:
    """Return the object in a file's bytes, which `jsonb` can store.

    Raises:
        ProducerError: see `parse_json` and `storable`.
    """
    body = _parse_usual(raw)
    return storable(parse_json(raw)) if body is None else body


def storable(body: Any) -> dict[str, Any]:
    """Return the value if it is an object that `jsonb` can store.

    Raises:
        ProducerError: INVALID_POLICY with the place.
    """
    if not isinstance(body, dict):
        raise _invalid("The document has to be one JSON object.")
    _check_storable(body, [])
    return body


def parse_json(raw: bytes) -> Any:
    """Return the JSON value in a file's bytes.

    Raises:
        ProducerError: INVALID_JSON with the place, also for a duplicate key; INVALID_POLICY for a
            document that is nested too deeply; FILE_TOO_LARGE above 200,000 values.
    """
    encoding = json.detect_encoding(raw)
    try:
        text = raw.decode(encoding)
        _require_few_values(text)
        return json.loads(
            text, parse_int=integer, parse_constant=_refuse_constant, object_pairs_hook=_object
        )
    except (UnicodeDecodeError, JSONDecodeError) as error:
        raise _invalid_json(_swapped(raw) or _where(error, encoding)) from None
    except RecursionError:
        raise _too_deep() from None


def identify(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the policy's id, name and type (as `windows10CompliancePolicy`).

    Raises:
        ProducerError: INVALID_POLICY, with the missing one.
    """
    policy_id = _text(body, "id", MAX_ID_LENGTH)
    name = policy_name(body)
    policy_type = short_type(_text(body, "@odata.type", MAX_ID_LENGTH))
    for value, what in (
        (policy_id, "`id`"),
        (name, "`displayName` or `name`"),
        (policy_type, "`@odata.type`"),
    ):
        if not value:
            raise _invalid(f"The policy has no {what}: a text that is not empty is needed.")
    return policy_id, name, policy_type


def policy_name(body: Mapping[str, Any]) -> str:
    """Return the policy's `displayName` or `name`; an empty text without one.

    Raises:
        ProducerError: INVALID_POLICY for a name of more than 1,000 characters.
    """
    return _text(body, "displayName", MAX_NAME_LENGTH) or _text(body, "name", MAX_NAME_LENGTH)


def is_exact(number: float) -> bool:
    """Return whether `jsonb` and every JSON writer keep the number exactly."""
    return not isinstance(number, int) or number in INTEGERS


def integer(text: str) -> float:
    """Return an integer in a document; infinity for one that is too long to be stored."""
    # `storable` rejects longer ones with their place, which int() would not name.
    return int(text) if len(text) <= _MAX_INTEGER_TEXT else math.inf


def quoted(place: list[object]) -> str:
    """Return a place in a document for a message, shortened."""
    path = "/".join(map(str, place)) or "the top level"
    return path if len(path) <= _MAX_QUOTED else f"{path[:_MAX_QUOTED]}…"


def short_type(name: str) -> str:
    """Return a type's name without `#microsoft.graph.`."""
    plain = name.removeprefix("#")
    return plain[len(_GRAPH) :] if plain.lower().startswith(_GRAPH) else name


def _parse_usual(raw: bytes) -> dict[str, Any] | None:
    """Return the object in usual UTF-8, which takes a fifth of the time.

    None leaves the answer to `parse_json` and `storable`, which name the place of a mistake.
    """
    raw = raw.removeprefix(codecs.BOM_UTF8)
    brackets = raw.count(b"{") + raw.count(b"[")
    if brackets + raw.count(b",") > MAX_VALUES or any(text in raw for text in _UNUSUAL):
        return None
    if _MANY_DIGITS in raw.translate(_DIGITS):
        return None
    try:
        body = orjson.loads(raw)
        text = orjson.dumps(body)
    except (TypeError, orjson.JSONDecodeError):
        return None
    # orjson keeps one of equal keys, so the text lacks the quotes of the others.
    if not isinstance(body, dict) or text.count(b'"') != raw.count(b'"'):
        return None
    return body if brackets <= MAX_DEPTH or _is_shallow(body) else None


def _is_shallow(body: dict[str, Any]) -> bool:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        members = (value.values() if isinstance(value, dict) else value for value in level)
        level = [value for some in members for value in some if isinstance(value, dict | list)]
        if not level:
            return True
    return False


def _require_few_values(text: str) -> None:
    # A list or object has one more value than commas; an empty one counts one too many.
    if _count_values(text) > MAX_VALUES and _count_values(_STRING.sub("", text)) > MAX_VALUES:
        raise ProducerError(
            FailureReason.FILE_TOO_LARGE, f"The document has more than {MAX_VALUES:,} values."
        )


def _count_values(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _invalid_json(f"The key {quoted([key])!r} occurs twice in one object; keep one.")
    return members


def _swapped(raw: bytes) -> str | None:
    """Return a message if the order of a text's bytes differs from its byte order mark."""
    announced = next((mark for mark in _BYTE_ORDERS if raw.startswith(mark)), None)
    if announced is None:
        return None
    encoding, swapped = _BYTE_ORDERS[announced]
    start = raw.removeprefix(announced)[:4].decode(swapped, "replace")
    # Every JSON document begins with an ASCII character.
    if not start or not start[0].isascii() or start[0] == "\0":
        return None
    return (
        f"The byte order mark says {encoding}, but the bytes are {swapped}; save the file as UTF-8."
    )


def _where(error: UnicodeDecodeError | JSONDecodeError, encoding: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"Byte {error.start + 1} is not valid {encoding}; save the file as UTF-8."
    what, place = error.msg.removesuffix(" at"), f"line {error.lineno}, column {error.colno}"
    return f"{what} at {place} (read as {encoding})."


def _refuse_constant(name: str) -> None:
    raise _invalid_json(f"{name} is not a JSON value; use a number or null.")


def _check_storable(value: Any, place: list[object]) -> None:
    match value:
        case dict() | list() if len(place) == MAX_DEPTH:
            raise _too_deep()
        case dict() | list():
            for key, member in value.items() if isinstance(value, dict) else enumerate(value):
                _check_storable(key, place)
                place.append(key)
                _check_storable(member, place)
                place.pop()
        case str() if "\0" in value:
            raise _invalid(f"The text at {quoted(place)} holds a NUL character (\\u0000).")
        case str() if not _is_unicode(value):
            raise _invalid(f"The text at {quoted(place)} holds half of a surrogate pair.")
        case int() | float() if math.isinf(value) or not is_exact(value):
            raise _invalid(f"The number at {quoted(place)} is too large to be stored.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(body: Mapping[str, Any], key: str, limit: int) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        return ""
    if len(value) > limit:
        raise _invalid(f"`{key}` is longer than {limit} characters.")
    return value if value.strip() else ""


def _too_deep() -> ProducerError:
    return _invalid(f"The document is nested deeper than {MAX_DEPTH} levels.")


def _invalid_json(message: str) -> ProducerError:
    return ProducerError(FailureReason.INVALID_JSON, message)


def _invalid(message: str) -> ProducerError:
    return ProducerError(FailureReason.INVALID_POLICY, message)
