"""Find the settings that differ between two normalized policies, by readable path (P2).

>>> [change.path for change in changes({"lock": {"minutes": 5}}, {"lock": {"minutes": 10}})]
['lock.minutes']
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from domain.drift.models import ChangeKind, SettingChange
from domain.inventory.content import (
    TYPE,
    document_hash,
    identities,
    is_set,
    is_type,
    same_type,
    unique_texts,
    without_types,
)
from domain.inventory.secrets import Hidden, hide, shown

_Key = TypeVar("_Key", str, int)

# The keys that identify the members of a list, best first. `value` is for the collections of a
# settings catalog, whose members are objects around one value.
_IDENTITY_KEYS = (
    "settingDefinitionId",
    "id",
    "definitionId",
    "omaUri",
    "definition@odata.bind",
    "presentation@odata.bind",
    "name",
    "displayName",
    "value",
)
_PLAIN_KEY = re.compile(r"[^\s.\[\]\"]*@odata\.(?:type|bind)|[^\s.\[\]\"]+")
_PLAIN_MEMBER = re.compile(r"(?!\d+\Z)[^\[\]\"\x00-\x1f]+")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SettingChange]:
    """Return the differences between two normalized documents, sorted by path.

    Members of a list are matched by an identity that all of them have
    (`settings[some_definition].choiceSettingValue`, `roleScopeTagIds["0"]`). Without one, members
    of a set are matched by content, and others by position (`ranges[0]`). Keys and identities that
    would make a path ambiguous are quoted as in JSON. Types are compared only if both documents
    name them. The change of a secret has no values, and a larger value has `[hidden]` in its place.
    """
    differing = [key for key in old.keys() | new.keys() if _differs(key, old, new)]
    before, after = (
        hide({key: document[key] for key in differing if key in document})
        for document in (old, new)
    )
    return sorted(_compared("", "", before, after), key=lambda change: (change.path, change.change))


def contents(document: Mapping[str, Any], kind: ChangeKind) -> list[SettingChange]:
    """Return the settings of a policy that was ADDED or REMOVED, as changes of that kind.

    A list has one change per member (`settings[some_definition]`), any other value one change.
    """
    nothing: Mapping[str, Any] = {
        key: [] for key, value in document.items() if isinstance(value, list)
    }
    if kind is ChangeKind.ADDED:
        return changes(nothing, document)
    return changes(document, nothing)


def _differs(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Compare a part by hash: only parts that differ are searched for secrets, which is slow."""
    if key not in old or key not in new:
        return True
    return document_hash(old[key]) != document_hash(new[key])


def _change(path: str, kind: ChangeKind, old: Any, new: Any) -> SettingChange:
    if isinstance(old, Hidden) or isinstance(new, Hidden):
        return SettingChange(path, kind, None, None, is_secret=True)
    return SettingChange(path, kind, shown(old), shown(new))


def _compared(path: str, key: str, old: Any, new: Any) -> Iterator[SettingChange]:
    """Compare two values at one path; `key` is the name of their property."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        old, new = _with_common_types(old, new), _with_common_types(new, old)
        yield from _members(old, new, lambda name: _property(path, name))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(path, key, old, new)
    elif not (_equal(old, new) or (is_type(key) and same_type(old, new))):
        yield _change(path, ChangeKind.CHANGED, old, new)


def _equal(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(old == new)


def _with_common_types(value: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """Omit the types that only one of the exporters wrote."""
    return {key: member for key, member in value.items() if not is_type(key) or key in other}


def _members(
    old: Mapping[_Key, Any], new: Mapping[_Key, Any], path_of: Callable[[_Key], str]
) -> Iterator[SettingChange]:
    for key in old.keys() | new.keys():
        if key not in new:
            yield _change(path_of(key), ChangeKind.REMOVED, old[key], None)
        elif key not in old:
            yield _change(path_of(key), ChangeKind.ADDED, None, new[key])
        else:
            yield from _compared(path_of(key), str(key), old[key], new[key])


def _lists(path: str, key: str, old: list[Any], new: list[Any]) -> Iterator[SettingChange]:
    named = _named(key, old, new)
    if named is None:
        pair = _matched(old, new) if is_set(key) else (dict(enumerate(old)), dict(enumerate(new)))
        yield from _members(*pair, lambda index: f"{path}[{index}]")
        return
    before, after = named
    yield from _members(before, after, lambda name: _member(path, name))
    old_order = [name for name in before if name in after]
    new_order = [name for name in after if name in before]
    if old_order != new_order and not is_set(key):
        yield SettingChange(path, ChangeKind.REORDERED, old_order, new_order)


def _matched(old: list[Any], new: list[Any]) -> tuple[dict[int, Any], dict[int, Any]]:
    """Number the members of two sets; equal members get the same number."""
    before, after = _by_content(old), _by_content(new)
    places = {content: place for place, content in enumerate(sorted(before.keys() | after.keys()))}
    return (
        {places[content]: member for content, member in before.items()},
        {places[content]: member for content, member in after.items()},
    )


def _by_content(items: list[Any]) -> dict[tuple[bytes, int], Any]:
    seen: Counter[bytes] = Counter()
    placed = {}
    for item in items:
        content = without_types(shown(item))
        placed[content, seen[content]] = item
        seen[content] += 1
    return placed


def _named(
    key: str, old: list[Any], new: list[Any]
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    for names in _names(key):
        before, after = names(old), names(new)
        if before is not None and after is not None:
            return dict(zip(before, old, strict=True)), dict(zip(after, new, strict=True))
    return None


def _names(key: str) -> Iterator[Callable[[list[Any]], list[str] | None]]:
    """Yield the ways to name the members of the list under `key`, best first."""
    if key == "assignments":
        yield lambda items: unique_texts([_target(item) for item in items])
    for identity in _IDENTITY_KEYS:
        yield partial(identities, key=identity)
    yield unique_texts


def _target(assignment: Any) -> str | None:
    """Return an assignment's target: a group's id or name, or `allDevicesAssignmentTarget`."""
    target = assignment.get("target") if isinstance(assignment, Mapping) else None
    if not isinstance(target, Mapping):
        return None
    # IntuneCD writes the group's name instead of its id.
    names = [target.get("groupId"), target.get("collectionId"), target.get("groupName")]
    # Exporters write the first letter of a type in either case.
    type_ = str(target.get(TYPE, "")).rpartition(".")[2]
    names.append(type_[:1].lower() + type_[1:] or None)
    return next((name for name in names if isinstance(name, str)), None)


def _property(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{_quoted(key)}]"
    return f"{path}.{key}" if path else key


def _member(path: str, name: str) -> str:
    return f"{path}[{name if _PLAIN_MEMBER.fullmatch(name) else _quoted(name)}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
