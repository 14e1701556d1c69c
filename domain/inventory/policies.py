"""Policy documents: reading them, naming them, and what of them counts as content (P1, P2)."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from json import JSONDecodeError
from typing import Any

import orjson

from domain.runs.failures import FailureReason, ProducerError

MAX_DEPTH = 100
MAX_ID_LENGTH = 200
MAX_NAME_LENGTH = 1000

_VOLATILE_KEYS = frozenset({"createdDateTime", "lastModifiedDateTime", "version"})
_GRAPH = "#microsoft.graph."
# The service addresses these by name, so their order in a list says nothing.
_UNORDERED_BY = ("settingDefinitionId", "id")
# What both Postgres and every JSON writer on the way to the client keep exactly.
_INTEGERS = range(-(2**63), 2**64)
_MAX_INTEGER_TEXT = 20
_MAX_SHOWN = 200


def parse(raw: bytes) -> dict[str, Any]:
    """Return the policy in a file's bytes: UTF-8, UTF-16 or UTF-32, with or without a BOM.

    What is returned can be stored as `jsonb` and written as JSON again.

    Raises:
        ProducerError: INVALID_JSON with the place, or INVALID_POLICY for what is valid
            JSON and still no policy, or none that can be stored.
    """
    encoding = json.detect_encoding(raw)
    try:
        body = json.loads(raw.decode(encoding), parse_int=_integer, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise _invalid_json(
            f"Byte {error.start + 1} is no {encoding} text; save the file as UTF-8."
        ) from None
    except JSONDecodeError as error:
        what, place = error.msg.removesuffix(" at"), f"line {error.lineno}, column {error.colno}"
        raise _invalid_json(f"{what} at {place} (read as {encoding}).") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(body, dict):
        raise _invalid("The document has to be one JSON object.")
    _check_storable(body, [])
    return body


def identify(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the policy's id, name and type (as `windows10CompliancePolicy`).

    Raises:
        ProducerError: INVALID_POLICY, saying which of them is missing.
    """
    policy_id = _text(body, "id", MAX_ID_LENGTH)
    name = _text(body, "displayName", MAX_NAME_LENGTH) or _text(body, "name", MAX_NAME_LENGTH)
    policy_type = _text(body, "@odata.type", MAX_ID_LENGTH).removeprefix(_GRAPH)
    for value, what in (
        (policy_id, "`id`"),
        (name, "`displayName` or `name`"),
        (policy_type, "`@odata.type`"),
    ):
        if not value:
            raise _invalid(f"The policy has no {what}: a text that is not empty is needed.")
    return policy_id, name, policy_type


def normalize(body: Any) -> Any:
    """Return what of a document is configuration, in one form however it was exported.

    Left out at every level: `@odata.*` annotations, the links to Graph's actions
    (`#microsoft.graph.*`, which come and go with the service's releases),
    `createdDateTime`, `lastModifiedDateTime` and `version`. A settings catalog's
    entry becomes its `settingInstance`: what surrounds it is a running number.
    Objects that are addressed by `settingDefinitionId` or `id` are sorted by it.
    """
    match body:
        case dict():
            return _without_wrapper(
                {key: normalize(value) for key, value in body.items() if not _is_volatile(key)}
            )
        case list():
            return _sorted([normalize(value) for value in body])
        case int() | float():
            return _number(body)
        case _:
            return body


def content_hash(normalized: Any) -> bytes:
    """Return the SHA-256 of a normalized document: equal as long as nothing drifted."""
    return _sha256(normalized)


def document_hash(body: Any) -> bytes:
    """Return the SHA-256 of a whole document, volatile keys included."""
    return _sha256(body)


def identities(items: Sequence[Any], key: str) -> list[str] | None:
    """Return each object's text under `key`; None unless all have a short one of their own."""
    return unique_texts([item.get(key) if isinstance(item, dict) else None for item in items])


def unique_texts(values: Sequence[Any]) -> list[str] | None:
    """Return the values; None unless all are short texts, no two the same."""
    texts = [text for text in values if isinstance(text, str) and len(text) <= MAX_ID_LENGTH]
    return texts if len(set(texts)) == len(values) else None


def _sha256(value: Any) -> bytes:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()


def _is_volatile(key: str) -> bool:
    return "@odata." in key or key in _VOLATILE_KEYS or key.startswith(_GRAPH)


def _without_wrapper(value: dict[str, Any]) -> dict[str, Any]:
    instance = value.get("settingInstance")
    if not isinstance(instance, dict) or "settingDefinitionId" not in instance:
        return value
    beside = {key: value[key] for key in value if key not in ("id", "settingInstance")}
    return {**beside, **instance} if beside.keys().isdisjoint(instance) else value


def _sorted(items: list[Any]) -> list[Any]:
    for key in _UNORDERED_BY:
        if identities(items, key) is not None:
            return sorted(items, key=lambda item: str(item[key]))
    return items


def _number(value: float) -> float:
    # `1.0` and `1e16` come back from jsonb as other texts of the same number; the decimal text
    # is what jsonb keeps, so the integer is taken from it and not from the binary value.
    if isinstance(value, float) and value.is_integer():
        whole = int(Decimal(repr(value)))
        return whole if whole in _INTEGERS else value
    return value if _is_exact(value) else float(value)


def _integer(text: str) -> float:
    # Longer ones are refused with their place afterwards; int() alone would refuse without it.
    return int(text) if len(text) <= _MAX_INTEGER_TEXT else math.inf


def _refuse_constant(name: str) -> None:
    raise _invalid_json(f"{name} is no JSON value; use a number or null.")


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
            raise _invalid(f"The text at {_shown(place)} holds a NUL character (\\u0000).")
        case str() if not _is_unicode(value):
            raise _invalid(f"The text at {_shown(place)} holds half of a surrogate pair.")
        case int() | float() if math.isinf(value) or not _is_exact(value):
            raise _invalid(f"The number at {_shown(place)} is too large to be stored.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_exact(number: float) -> bool:
    return not isinstance(number, int) or number in _INTEGERS


def _shown(place: list[object]) -> str:
    path = "/".join(map(str, place)) or "the top level"
    return path if len(path) <= _MAX_SHOWN else f"{path[:_MAX_SHOWN]}…"


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
