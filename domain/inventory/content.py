"""The configuration in a policy document, in one form however it was exported (P2).

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
# Of the policy itself: its revision, and a number that follows from its settings.
_OWN = frozenset({"version", "settingCount"})
# The links to Graph's actions come and go with the service's releases, its tips at any time.
_ACTION = "#microsoft.graph."
_TIPS = "@microsoft.graph.tips"
_SERVICE_ROOT = re.compile(r"https?://[^/]+/(?:v1\.0|beta)/", re.IGNORECASE)
# The service addresses these by name, so their order in a list has no meaning.
_UNORDERED_BY = ("settingDefinitionId", "id")
# Lists without such names that Graph returns in any order.
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

    Left out at every level: control information but `@odata.type` and `...@odata.bind`,
    links to Graph's actions, times of creation and change, and members without a meaning
    (null or an empty list); of the policy itself also `version` and `settingCount`. A settings
    catalog's entry becomes its `settingInstance`: around it is only a running number.
    Objects addressed by `settingDefinitionId` or `id`, and what Graph treats as a set, are
    sorted.
    """
    return _object({key: value for key, value in body.items() if key not in _OWN})


def content_hash(normalized: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a normalized document: if it is equal, nothing drifted."""
    return document_hash(normalized)


def document_hash(body: Any) -> bytes:
    """Return the SHA-256 of a whole document, or of a part, whatever the order of its keys."""
    return hashlib.sha256(_canonical(body)).digest()


def stored_form(body: Any) -> tuple[bytes, str]:
    """Return a whole document's `document_hash`, and the JSON that it is stored as."""
    canonical = _canonical(body)
    return hashlib.sha256(canonical).digest(), canonical.decode()


def identities(items: Sequence[Any], key: str) -> list[str] | None:
    """Return each object's text under `key`; None unless all have a short one of their own."""
    return unique_texts([item.get(key) if isinstance(item, dict) else None for item in items])


def unique_texts(values: Sequence[Any]) -> list[str] | None:
    """Return the values; None unless all are short texts, no two the same."""
    texts = [text for text in values if isinstance(text, str) and len(text) <= MAX_ID_LENGTH]
    return texts if len(set(texts)) == len(values) else None


def is_set(key: str) -> bool:
    """Return whether the order of the list under `key` has no meaning."""
    return key in _SETS or key.endswith(_BIND)


def is_type(key: str) -> bool:
    """Return whether a member names a type: of its object, or of the member before the `@`."""
    return key.endswith(TYPE)


def same_type(one: Any, other: Any) -> bool:
    """Return whether two names of a type mean the same; their case has no meaning."""
    return str(one).casefold() == str(other).casefold()


def without_types(value: Any) -> bytes:
    """Return a normalized value as JSON without names of types, which some exporters leave out."""
    return _canonical(_untyped(value))


def exact_numbers(value: Any) -> Any:
    """Return a value of `jsonb` with its numbers as they were: integers up to 64 bits, or floats.

    `jsonb` gives `1e300` back with all its digits, an integer that no JSON writer takes.
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
        key: member
        for key in value
        if not _is_noise(key) and not _says_nothing(member := _member(key, value[key]))
    }
    typed = {
        key: member
        for key, member in members.items()
        if not is_type(key) or key == TYPE or key.removesuffix(TYPE) in members
    }
    return _without_wrapper(typed)


def _member(key: str, value: Any) -> Any:
    match value:
        case dict():
            return _object(value)
        case list() if key == "assignments":
            # An assignment's id is made of the policy's id and the target's, and often left out.
            return _sorted(key, [_without_id(_member(key, item)) for item in value])
        case list():
            return _sorted(key, [_member(key, item) for item in value])
        case str() if is_type(key):
            return value.removeprefix("#")
        case str() if key.endswith(_BIND):
            return _SERVICE_ROOT.sub("", value).removeprefix("/")
        case int() | float():
            return _number(value)
        case _:
            return value


def _is_noise(key: str) -> bool:
    if _CONTROL in key:
        return not key.endswith((TYPE, _BIND))
    return key in _TIMES or key == _TIPS or key.startswith(_ACTION)


def _says_nothing(value: Any) -> bool:
    return value is None or value == []


def _without_id(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: member for key, member in value.items() if key != "id"}


def _without_wrapper(value: dict[str, Any]) -> dict[str, Any]:
    instance = value.get("settingInstance")
    if not isinstance(instance, dict) or "settingDefinitionId" not in instance:
        return value
    beside = {key: value[key] for key in value if key not in ("id", TYPE, "settingInstance")}
    return {**beside, **instance} if beside.keys().isdisjoint(instance) else value


def _sorted(key: str, items: list[Any]) -> list[Any]:
    for name in _UNORDERED_BY:
        if identities(items, name) is not None:
            return sorted(items, key=lambda item: str(item[name]))
    return (
        sorted(items, key=lambda item: (without_types(item), _canonical(item)))
        if is_set(key)
        else items
    )


def _number(value: float) -> float:
    # `1.0` and `1e16` come back from jsonb as other texts of the same number; the decimal text
    # is what jsonb keeps, so the integer is taken from it and not from the binary value.
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
