"""Which settings differ between two normalized policies, by readable path (P2).

>>> [change.path for change in changes({"lock": {"minutes": 5}}, {"lock": {"minutes": 10}})]
['lock.minutes']
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from domain.drift.models import ChangeKind, SettingChange
from domain.inventory.policies import identities, unique_texts

_Key = TypeVar("_Key", str, int)

# What tells the members of a list apart, best first; the last is that of a settings catalog's
# collections, whose members are objects around one value.
_IDENTITY_KEYS = ("settingDefinitionId", "id", "omaUri", "name", "displayName", "value")
_PLAIN_KEY = re.compile(r"[^\s.\[\]\"]+")
_PLAIN_MEMBER = re.compile(r"(?!\d+\Z)[^\[\]\"\x00-\x1f]+")


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SettingChange]:
    """Return the differences between two normalized documents, sorted by path.

    Empty exactly if their content hashes are equal. Members of a list are matched by
    what identifies them in both lists (`settings[some_definition].choiceSettingValue`,
    `roleScopeTagIds["0"]`), else by position (`ranges[0]`); a key or an identity that
    would make a path ambiguous is quoted as in JSON.
    """
    return sorted(_compared("", old, new), key=lambda change: (change.path, change.change))


def _compared(path: str, old: Any, new: Any) -> Iterator[SettingChange]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _members(old, new, lambda key: _property(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(path, old, new)
    elif type(old) is not type(new) or old != new:
        yield SettingChange(path, ChangeKind.CHANGED, old, new)


def _members(
    old: Mapping[_Key, Any], new: Mapping[_Key, Any], path_of: Callable[[_Key], str]
) -> Iterator[SettingChange]:
    for key in old.keys() | new.keys():
        if key not in new:
            yield SettingChange(path_of(key), ChangeKind.REMOVED, old[key], None)
        elif key not in old:
            yield SettingChange(path_of(key), ChangeKind.ADDED, None, new[key])
        else:
            yield from _compared(path_of(key), old[key], new[key])


def _lists(path: str, old: list[Any], new: list[Any]) -> Iterator[SettingChange]:
    named = _named(old, new)
    if named is None:
        at = dict(enumerate(old)), dict(enumerate(new))
        yield from _members(*at, lambda index: f"{path}[{index}]")
        return
    before, after = named
    yield from _members(before, after, lambda name: _member(path, name))
    old_order = [name for name in before if name in after]
    new_order = [name for name in after if name in before]
    if old_order != new_order:
        yield SettingChange(path, ChangeKind.REORDERED, old_order, new_order)


def _named(old: list[Any], new: list[Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    pairs = [(identities(old, key), identities(new, key)) for key in _IDENTITY_KEYS]
    for old_names, new_names in (*pairs, (unique_texts(old), unique_texts(new))):
        if old_names is not None and new_names is not None:
            return dict(zip(old_names, old, strict=True)), dict(zip(new_names, new, strict=True))
    return None


def _property(path: str, key: str) -> str:
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{_quoted(key)}]"
    return f"{path}.{key}" if path else key


def _member(path: str, name: str) -> str:
    return f"{path}[{name if _PLAIN_MEMBER.fullmatch(name) else _quoted(name)}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
