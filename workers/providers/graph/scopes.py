"""The scopes of a tenant that is read from Microsoft Graph."""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from domain.inventory.scopes import normal_scope_key, valid_scope_key

DEFAULT_TAG = "0"
_OTHER_CHARACTERS = re.compile(r"[^A-Za-z0-9]+")
_MAX_PLAIN_LENGTH = 40


def tag_keys(tags: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return the ids of scope tags by the scope's key: the tag's name.

    A name that is not a valid key, or another tag's key, gets other characters and the tag's id.
    """
    names = sorted((_order(tag["id"]), tag["id"], str(tag.get("displayName"))) for tag in tags)
    ids: dict[str, str] = {}
    for _, tag_id, name in names:
        key = normal_scope_key(name)
        if valid_scope_key(key):
            ids.setdefault(key, tag_id)
    with_names = set(ids.values())
    for _, tag_id, name in names:
        if tag_id not in with_names:
            ids[_free_key(ids, tag_id, name)] = tag_id
    return ids


def _free_key(taken: Container[str], tag_id: str, name: str) -> str:
    plain_id, plain = (_plain(normal_scope_key(text)) for text in (tag_id, name))
    key, tries = f"{plain or 'tag'}-{plain_id}", 1
    while key in taken or not valid_scope_key(key):
        key, tries = f"tag-{plain_id}-{tries}", tries + 1
    return key


def _plain(text: str) -> str:
    """Return a short text with dashes instead of unusual characters."""
    return _OTHER_CHARACTERS.sub("-", text)[:_MAX_PLAIN_LENGTH].strip("-")


def has_tag(tag_id: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return the test whether a policy has the tag; one without tags has the default tag."""

    def test(body: Mapping[str, Any]) -> bool:
        # Assignment filters have another name for the same.
        tags = body.get("roleScopeTagIds") or body.get("roleScopeTags") or [DEFAULT_TAG]
        return tag_id in tags

    return test


def _order(tag_id: str) -> tuple[int, str]:
    """Order ids, which are numbers, by age."""
    return len(tag_id), tag_id
