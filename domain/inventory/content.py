"""Normalize policy documents, so that equal configurations have one form (P2).

>>> normalize({"version": 3, "@odata.id": "x", "roleScopeTagIds": ["1", "0"], "note": None})
{'roleScopeTagIds': ['0', '1']}
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from domain.inventory.policies import INTEGERS, MAX_ID_LENGTH, is_exact

TYPE = "@odata.type"
_BIND = "@odata.bind"
_CONTROL = "@odata."
_TIMES = frozenset({"createdDateTime", "lastModifiedDateTime", "modifiedDateTime"})
# Only of the policy itself: its revision, and a number that follows from its settings.
_TOP_LEVEL_NOISE = frozenset({"version", "settingCount"})
# Links to Graph's actions change with the service's releases, and its tips at any time.
_ACTION = "#microsoft.graph."
_TIPS = "@microsoft.graph.tips"
_ABSENT: Sequence[Any] = (None, [])
_SERVICE_ROOT = re.compile(r"https?://[^/]+/(?:v1\.0|beta)/", re.IGNORECASE)
# The service addresses members with these keys by name, so their order has no meaning.
_UNORDERED_BY = ("settingDefinitionId", "id")
# Lists without such keys that Graph returns in any order.
_SETS = frozenset(
    {
        "apps",
        "assignments",
        "customSubjectAlternativeNames",
        "definitionValues",
        "extendedKeyUsages",
        "localActions",
        "mobileAppIds",
        "notificationMessageCCList",
        "omaSettings",
        "presentationValues",
        "roleScopeTagIds",
        "roleScopeTags",
        "scheduledActionConfigurations",
        "scheduledActionsForRule",
        "scopeTags",
        "settingsDelta",
        "subjectAlternativeNames",
        "targetedMobileApps",
        "trustedServerCertificateNames",
        "validOperatingSystemBuildRanges",
    }
)


def normalize(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration in a document.

    At every level, it omits null, empty lists, times of creation and change, links to Graph's
    actions, and control information except `@odata.type` and `...@odata.bind`. At the top it also
    omits `version` and `settingCount`. An entry of a settings catalog becomes its
    `settingInstance`, because the rest is a running number. Lists are sorted if their members have
    a `settingDefinitionId` or `id`, or if Graph treats the list as a set.
    """
    return _object({key: value for key, value in body.items() if key not in _TOP_LEVEL_NOISE})


def content_hash(normalized: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a normalized document; it changes only if the policy drifts."""
    return document_hash(normalized)


def document_hash(body: Any) -> bytes:
    """Return the SHA-256 of a document or a part of it; the order of keys does not matter."""
    return hashlib.sha256(_canonical(body)).digest()


def stored_form(body: Any) -> tuple[bytes, str]:
    """Return a document's `document_hash` and its JSON for the database."""
    canonical = _canonical(body)
    return hashlib.sha256(canonical).digest(), canonical.decode()


def identities(items: Sequence[Any], key: str) -> list[str] | None:
    """Return each object's text under `key`; None unless all are short and unique."""
    return unique_texts([item.get(key) if isinstance(item, dict) else None for item in items])


def unique_texts(values: Sequence[Any]) -> list[str] | None:
    """Return the values; None unless all are short, unique texts."""
    texts = [text for text in values if isinstance(text, str) and len(text) <= MAX_ID_LENGTH]
    return texts if len(set(texts)) == len(values) else None


def is_set(key: str) -> bool:
    """Return whether the order of the list under `key` has no meaning."""
    return key in _SETS or key.endswith(_BIND)


def is_type(key: str) -> bool:
    """Return whether a key names the type of its object, or of the key before the `@`."""
    return key.endswith(TYPE)


def same_type(one: Any, other: Any) -> bool:
    """Compare two names of types without case."""
    return str(one).casefold() == str(other).casefold()


def without_types(value: Any) -> bytes:
    """Return a normalized value as JSON without types, because some exporters omit them."""
    return _canonical(_untyped(value))


def exact_numbers(value: Any) -> Any:
    """Restore the numbers in a value of `jsonb`: integers up to 64 bits, or floats.

    `jsonb` returns `1e300` with all its digits: an integer that JSON writers reject.
    """
    match value:
        case dict():
            return {key: exact_numbers(member) for key, member in value.items()}
        case list():
            return [exact_numbers(member) for member in value]
        case int() | float():
            return _number(value)
        case _:
            return value


def _object(value: Mapping[str, Any]) -> dict[str, Any]:
    members = {
        key: kept
        for key, member in value.items()
        if not _is_noise(key) and (kept := _member(key, member)) not in _ABSENT
    }
    types = [key for key in members if is_type(key) and key != TYPE]
    for key in [key for key in types if key.removesuffix(TYPE) not in members]:
        del members[key]
    return _without_wrapper(members)


def _member(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return _text(key, value) if _CONTROL in key else value
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        items = [_member(key, item) for item in value]
        # Exporters often omit the id, which is made of the ids of the policy and the target.
        return _sorted(
            key, [_without_id(item) for item in items] if key == "assignments" else items
        )
    return _number(value) if isinstance(value, int | float) else value


def _text(key: str, value: str) -> str:
    if is_type(key):
        return value.removeprefix("#")
    return _SERVICE_ROOT.sub("", value).removeprefix("/") if key.endswith(_BIND) else value


def _is_noise(key: str) -> bool:
    if _CONTROL in key:
        return not key.endswith((TYPE, _BIND))
    return key in _TIMES or key == _TIPS or key.startswith(_ACTION)


def _without_id(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: member for key, member in value.items() if key != "id"}


def _without_wrapper(value: dict[str, Any]) -> dict[str, Any]:
    instance = value.get("settingInstance")
    if not isinstance(instance, dict) or "settingDefinitionId" not in instance:
        return value
    others = {key: value[key] for key in value if key not in ("id", TYPE, "settingInstance")}
    return {**others, **instance} if others.keys().isdisjoint(instance) else value


def _sorted(key: str, items: list[Any]) -> list[Any]:
    if len(items) < 2:
        return items
    for name in _UNORDERED_BY:
        if identities(items, name) is not None:
            return sorted(items, key=lambda item: str(item[name]))
    return (
        sorted(items, key=lambda item: (without_types(item), _canonical(item)))
        if is_set(key)
        else items
    )


def _number(value: float) -> float:
    # jsonb returns `1.0` and `1e16` as other texts of the same number. It keeps the decimal text,
    # so the integer comes from the text, not from the binary value.
    if isinstance(value, float) and value.is_integer():
        whole = int(Decimal(repr(value)))
        return whole if whole in INTEGERS else value
    return value if is_exact(value) else float(value)


def _untyped(value: Any) -> Any:
    match value:
        case dict():
            return {key: _untyped(member) for key, member in value.items() if not is_type(key)}
        case list():
            return [_untyped(member) for member in value]
        case _:
            return value


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
