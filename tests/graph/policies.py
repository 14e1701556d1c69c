"""The policies of the double, and the answers to requests below `/deviceManagement`."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from tests.graph.calls import Call, Reply
from tests.graph.errors import bad_request, intune_error, no_segment
from tests.graph.exports import Document
from tests.graph.faults import Faults, NoAssignments, OtherOrder
from tests.graph.metadata import level_of, reduced
from tests.graph.options import expansions, matches, require_known, selected, top
from tests.graph.pages import page, resume
from tests.graph.policy_collections import (
    COLLECTIONS,
    V1_LOST,
    V1_MISSING_TYPES,
    Collection,
    Navigation,
)

ROOT = "deviceManagement"
_OPTIONS = frozenset({"$select", "$top", "$filter", "$expand", "$skiptoken"})
_NONE: Sequence[Document] = ()


class Policy:
    """A document at each level of metadata."""

    def __init__(self, document: Document, declared: str) -> None:
        self.full = document
        self._declared = declared

    @cached_property
    def minimal(self) -> Document:
        """The document as Graph sends it by default."""
        minimal: Document = reduced(self.full, "minimal", self._declared)
        return minimal

    def at(self, level: str) -> Document:
        """Return the document with the metadata of a level."""
        if level == "full":
            return self.full
        return self.minimal if level == "minimal" else reduced(self.full, "none")


class Policies:
    """What a tenant has below `/deviceManagement`; a list has pages of `page_size`."""

    def __init__(self, faults: Faults, page_size: int) -> None:
        self._faults = faults
        self._page_size = page_size
        self._policies: dict[str, dict[str, Policy]] = {name: {} for name in COLLECTIONS}

    def put(self, name: str, documents: Iterable[Document]) -> None:
        """Add documents to a collection, or replace those with the same ids."""
        declared = COLLECTIONS[name].type_name
        for document in documents:
            self._policies[name][document["id"]] = Policy(document, declared)

    def remove(self, name: str, policy_id: str) -> None:
        """Delete a policy."""
        del self._policies[name][policy_id]

    def documents(self, name: str) -> Sequence[Document]:
        """Return a collection's documents as they were put in."""
        return [policy.full for policy in self._policies[name].values()]

    def least_requests(self, names: Iterable[str] = COLLECTIONS) -> int:
        """Return the least number of requests that reads these collections completely.

        Lists expand what Graph allows; each policy costs the pages of what its list does not have.
        """
        return sum(self._least(name) for name in names)

    def _least(self, name: str) -> int:
        collection = COLLECTIONS[name]
        policies = self._policies[name].values()
        details = sum(_least_details(policy.full, collection) for policy in policies)
        return max(1, math.ceil(len(policies) / self._page_size)) + details

    def answer(self, call: Call) -> Reply:
        """Return the answer to a request.

        Raises:
            GraphError: the path or its options are not supported, or the policy does not exist.
        """
        name = call.path[1] if len(call.path) > 1 else ""
        collection = COLLECTIONS.get(name)
        if collection is None or call.version not in collection.versions:
            raise no_segment(name or ROOT)
        offset = resume(call)
        reading = _Reading(call, self._faults, name, collection)
        if len(call.path) == 2:
            return reading.collection(self._policies[name], offset, self._page_size)
        policy = self._policies[name].get(call.path[2])
        if policy is None or not reading.has(policy):
            raise intune_error(404, "ResourceNotFound", "Resource not found")
        return reading.below(policy, offset)


class _Reading:
    """One request, and the collection that it is about."""

    def __init__(self, call: Call, faults: Faults, name: str, collection: Collection) -> None:
        self._call = call
        self._faults = faults
        self._name = name
        self._collection = collection
        self._level = level_of(call.headers.get("accept", ""))
        self._lost = V1_LOST.get(name, frozenset()) if call.version == "v1.0" else frozenset()

    def has(self, policy: Policy) -> bool:
        """Return whether this version has the policy's type."""
        short = policy.full.get("@odata.type", "").rpartition(".")[2]
        return self._call.version == "beta" or short not in V1_MISSING_TYPES

    def collection(self, policies: Mapping[str, Policy], offset: int, most: int) -> Reply:
        """Return a page of the list."""
        call = self._call
        require_known(call.options, _OPTIONS)
        self._require_expandable(self._collection.links)
        is_match, size = matches(call.options), top(call.options, self._list_page(most))
        listed = [one for one in policies.values() if self.has(one) and is_match(one.full)]
        some, next_link = page(call.url, call.options, listed, offset, size)
        items = [
            self._entity(policy.at(self._level), self._collection.links, call.options, True)
            for policy in some
        ]
        body: Document = {"@odata.context": self._context(), "value": items}
        if self._name == "configurationPolicies":
            # The number on this page, not of all.
            body["@odata.count"] = len(items)
        return _list_reply(body, next_link)

    def _require_expandable(self, links: Mapping[str, Navigation]) -> None:
        """Refuse what a list cannot expand, also where the list is empty."""
        for name in expansions(self._call.options):
            _of(links, name, True)

    def _list_page(self, most: int) -> int:
        links = self._collection.links
        pages = [links[name].list_page for name in expansions(self._call.options) if name in links]
        return min([most, *(page for page in pages if page is not None)])

    def below(self, policy: Policy, offset: int) -> Reply:
        """Return the policy, or what the path names below it."""
        entity, links = policy.at(self._level), self._collection.links
        rest = [*self._call.path[3:]]
        while rest:
            name = rest.pop(0)
            navigation = links.get(name)
            if navigation is None:
                raise no_segment(name)
            if not rest:
                return self._navigation(entity, name, navigation, offset)
            entity = self._member(entity, name, navigation, rest.pop(0))
            links = navigation.links
        require_known(self._call.options, {"$select", "$expand"})
        body = self._entity(entity, links, self._call.options, False)
        return Reply(200, {"@odata.context": self._context("/$entity"), **body})

    def _navigation(
        self, entity: Document, name: str, navigation: Navigation, offset: int
    ) -> Reply:
        call = self._call
        require_known(call.options, {"$select", "$expand", "$top", "$skiptoken"})
        if navigation.single:
            body = self._entity(entity[name], navigation.links, call.options, True)
            return Reply(200, {"@odata.context": self._context(), **body})
        self._require_expandable(navigation.links)
        items = self._related(entity, name)
        size = top(call.options, navigation.page)
        some, next_link = page(call.url, call.options, items, offset, size)
        value = [self._entity(item, navigation.links, call.options, True) for item in some]
        return _list_reply({"@odata.context": self._context(), "value": value}, next_link)

    def _member(self, entity: Document, name: str, link: Navigation, key: str) -> Document:
        members = [entity[name]] if link.single else self._related(entity, name)
        for member in members:
            if member.get("id") == key:
                return member
        raise intune_error(404, "ResourceNotFound", "Resource not found")

    def _entity(
        self,
        entity: Document,
        links: Mapping[str, Navigation],
        options: Mapping[str, str],
        in_list: bool,
    ) -> Document:
        """Return an entity as Graph shows it with these options."""
        own = {
            key: value
            for key, value in entity.items()
            if key.partition("@")[0] not in links and key not in self._lost
        }
        is_policy = links is self._collection.links
        if is_policy and in_list:
            own |= dict.fromkeys(self._collection.hidden & own.keys())
        names = selected(options)
        if names is not None:
            own = {key: value for key, value in own.items() if key in names or "@" in key}
            if is_policy and "isAssigned" in names & self._collection.on_select:
                own["isAssigned"] = bool(entity.get("assignments"))
        for name, inner in expansions(options).items():
            own |= self._expanded(entity, _of(links, name, in_list), inner, in_list)
        return own

    def _expanded(
        self,
        entity: Document,
        link: tuple[str, Navigation],
        options: Mapping[str, str],
        in_list: bool,
    ) -> Document:
        name, navigation = link
        if navigation.single:
            return {name: self._entity(entity[name], navigation.links, options, in_list)}
        url = f"{self._call.base}/{self._call.version}/{ROOT}/{self._name}('{entity['id']}')/{name}"
        items = self._related(entity, name)
        some, next_link = page(url, options, items, 0, top(options, navigation.page))
        value = [self._entity(item, navigation.links, options, in_list) for item in some]
        return {name: value, f"{name}@odata.nextLink": next_link} if next_link else {name: value}

    def _related(self, entity: Document, name: str) -> Sequence[Document]:
        """Return the members of a list below an entity; faults change assignments."""
        items: Sequence[Document] = entity.get(name) or _NONE
        if name == "assignments":
            path = f"/{ROOT}/{self._name}/{entity['id']}/{name}"
            if self._faults.take(path, NoAssignments):
                return _NONE
            if self._faults.take(path, OtherOrder):
                return [*reversed(items)]
        return items

    def _context(self, suffix: str = "") -> str:
        path = "/".join(self._call.path[:2])
        return f"{self._call.base}/{self._call.version}/$metadata#{path}{suffix}"


def _of(links: Mapping[str, Navigation], name: str, in_list: bool) -> tuple[str, Navigation]:
    """Return what `$expand` names; Graph ignores the case of the first letter.

    Raises:
        GraphError: 400, where Graph does not expand it.
    """
    name = name[:1].lower() + name[1:]
    navigation = links.get(name)
    if navigation is None or not (navigation.in_lists if in_list else navigation.of_one):
        raise bad_request(f"The property '{name}' cannot be used in the $expand query option.")
    return name, navigation


def _list_reply(body: Document, next_link: str | None) -> Reply:
    if next_link is not None:
        body["@odata.nextLink"] = next_link
    return Reply(200, body)


def _least_details(policy: Document, collection: Collection) -> int:
    # A list that expands settings has one policy on a page, so it saves nothing.
    itself = bool(collection.hidden) or any(
        link.of_one and not _is_free(link) for link in collection.links.values()
    )
    return itself + sum(
        _least_pages(policy, name, link, itself) for name, link in collection.links.items()
    )


def _least_pages(entity: Mapping[str, Any], name: str, link: Navigation, itself: bool) -> int:
    if link.single:
        return 0
    items = entity.get(name) or _NONE
    pages = math.ceil(len(items) / link.page)
    # The first page comes with the list, or with the entity itself.
    is_free = _is_free(link) or (itself and link.of_one)
    below = sum(
        _least_pages(item, inner, one, False) for item in items for inner, one in link.links.items()
    )
    return max(pages, 1) - is_free + below


def _is_free(link: Navigation) -> bool:
    return link.in_lists and link.list_page is None
