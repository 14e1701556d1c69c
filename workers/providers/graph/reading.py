"""Read the policies of one type from Microsoft Graph: the list, then what it leaves out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson

from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.provider import NotTaken, PolicyDocument
from domain.runs.failures import FailureReason, ProducerError
from workers.batches import batches, one_ahead, weighed_batches
from workers.providers.graph.batches import MAX_PARTS, read_batch
from workers.providers.graph.client import NEXT_LINK, GraphClient, key_in_path, members
from workers.providers.graph.failures import GraphError, unauthorized
from workers.providers.graph.policy_types import ASSIGNMENTS, VERSION, Detail, PolicyType

# Policies whose details are read at the same time.
GROUP = 100
_CONTEXT = "@odata.context"
_HEAVIEST = 8 * 1024 * 1024
_NO_ID = "Graph returned a policy without an id."

Body = dict[str, Any]
Item = PolicyDocument | NotTaken


@dataclass(slots=True)
class _Policy:
    """A policy that is read: its key, its path, and either its body or why it failed."""

    key: str
    path: str
    body: Body
    failure: ProducerError | None = None

    def item(self) -> Item:
        if self.failure is not None:
            return NotTaken.failed(self.key, self.failure)
        return PolicyDocument(self.key, orjson.dumps(self.body))


async def read_policies(
    client: GraphClient, row: PolicyType, is_in_scope: Callable[[Body], bool]
) -> AsyncIterator[Sequence[Item]]:
    """Yield the type's policies that are in the scope, each once, in batches of bounded size.

    Raises:
        ProducerError: PROVIDER_UNAUTHORIZED if Graph refuses the list; a failure of the client.
    """
    reading = _Reading(client, row)
    async with aclosing(one_ahead(reading.pages())) as pages:
        async for page in pages:
            if isinstance(page, NotTaken):
                yield [page]
                continue
            listed = [policy for policy in page if is_in_scope(policy.body)]
            for some in batches(listed, GROUP):
                await reading.complete(some)
                items = [policy.item() for policy in some]
                for batch in weighed_batches(items, _weight, heaviest=_HEAVIEST, most=GROUP):
                    yield batch


class _Reading:
    """One read of a type."""

    def __init__(self, client: GraphClient, row: PolicyType) -> None:
        self._client = client
        self._row = row
        self._seen: set[str] = set()
        self._assigned: set[str] = set()

    async def pages(self) -> AsyncIterator[Sequence[_Policy] | NotTaken]:
        """Yield the pages of the list; a list that the tenant has no licence for is ignored."""
        row, is_first = self._row, True
        try:
            if row.selects_assigned:
                await self._find_assigned()
            async for page in self._client.pages(f"{VERSION}/{row.list_path}", row.area):
                is_first = False
                yield [policy for member in page if (policy := self._policy(member))]
        except GraphError as refusal:
            if refusal.status == 401:
                raise
            if not (row.needs_licence and is_first and refusal.status == 403):
                raise _unauthorized(row, refusal) from None
            yield NotTaken(
                row.collection,
                ignored=f"Graph refuses this list, as it does without a licence: {refusal}",
            )

    async def _find_assigned(self) -> None:
        """Read the ids of the policies that have assignments."""
        path = f"{VERSION}/{self._row.path}?$select=id,isAssigned&$top={self._row.page}"
        async for page in self._client.pages(path, self._row.area):
            self._assigned |= {str(one.get("id")) for one in page if one.get("isAssigned") is True}

    def _policy(self, member: Body) -> _Policy | None:
        """Return a policy of the list; None if it was listed before, as when others are deleted."""
        row, policy_id = self._row, member.get("id")
        if not isinstance(policy_id, str) or not 0 < len(policy_id) <= MAX_ID_LENGTH:
            key = f"{row.collection}/without id {len(self._seen) + 1}"
            self._seen.add(key)
            failure = ProducerError(FailureReason.INVALID_POLICY, _NO_ID)
            return _Policy(key, "", member, failure)
        if policy_id in self._seen:
            return None
        self._seen.add(policy_id)
        body = {"@odata.type": row.odata_type, **member}
        path = f"{row.path}/{key_in_path(policy_id)}"
        return _Policy(f"{row.collection}/{policy_id}", path, body)

    async def complete(self, policies: Sequence[_Policy]) -> None:
        """Add to the policies what the list leaves out."""
        for detail in self._row.details:
            await self._add([(policy, policy.body, policy.path) for policy in policies], detail)
        for member in {name for policy in policies for name in _cut_short(policy.body)}:
            cut = [policy for policy in policies if member in _cut_short(policy.body)]
            await self._add([(policy, policy.body, policy.path) for policy in cut], Detail(member))
        await self._read_assignments_again(
            [one for one in policies if self._lacks_assignments(one)]
        )

    async def _add(self, entities: Sequence[tuple[_Policy, Body, str]], detail: Detail) -> None:
        """Read a detail of each entity, which is a policy or a member of one."""
        left = [entity for entity in entities if entity[0].failure is None]
        paths = [f"{path}{detail.suffix}" for _, _, path in left]
        below = []
        for (policy, body, path), answer in zip(left, await self._read(paths), strict=True):
            try:
                if isinstance(answer, ProducerError):
                    raise answer
                if detail.member is None:
                    body |= {key: value for key, value in answer.items() if key != _CONTEXT}
                    continue
                listed = body[detail.member] = members(answer, path)
            except ProducerError as error:
                policy.failure = policy.failure or _failed_detail(error)
                continue
            body.pop(f"{detail.member}{NEXT_LINK}", None)
            at = f"{path}/{detail.member}"
            below += [(policy, one, f"{at}/{key_in_path(str(one.get('id')))}") for one in listed]
        if detail.below is not None:
            await self._add(below, detail.below)

    async def _read(self, paths: Sequence[str]) -> Sequence[Body | ProducerError]:
        """Return what is at the paths, lists with all their pages, or why there is nothing."""
        try:
            async with asyncio.TaskGroup() as group:
                parts = [group.create_task(self._batch(some)) for some in batches(paths, MAX_PARTS)]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [answer for part in parts for answer in part.result()]

    async def _batch(self, paths: Sequence[str]) -> Sequence[Body | ProducerError]:
        answers = await read_batch(self._client, VERSION, paths, self._row.area)
        pairs = zip(paths, answers, strict=True)
        return [await self._whole(f"{VERSION}/{path}", answer) for path, answer in pairs]

    async def _whole(self, path: str, answer: Body | ProducerError) -> Body | ProducerError:
        """Return an answer with the pages that follow it; the client may renew its token."""
        area = self._row.area
        if isinstance(answer, GraphError) and answer.status == 401:
            answer = await self._client.get(path, area)
        if isinstance(answer, ProducerError) or NEXT_LINK not in answer:
            return answer
        try:
            pages = self._client.pages(path, area, first=answer)
            return {"value": [member async for page in pages for member in page]}
        except ProducerError as error:
            return error

    def _lacks_assignments(self, policy: _Policy) -> bool:
        body = policy.body
        is_assigned = body.get("isAssigned") is True or body.get("id") in self._assigned
        return policy.failure is None and is_assigned and not body.get("assignments")

    async def _read_assignments_again(self, policies: Sequence[_Policy]) -> None:
        """Now and then Graph returns no assignments of a policy that has some."""
        await self._add([(one, one.body, one.path) for one in policies], ASSIGNMENTS)
        for policy in policies:
            if self._lacks_assignments(policy):
                policy.failure = ProducerError(
                    FailureReason.INCOMPLETE_POLICY,
                    "Graph says that the policy is assigned, but twice returned no assignments."
                    " Sync again.",
                )


def _cut_short(body: Mapping[str, Any]) -> set[str]:
    """Return the members that are lists of which there are more pages."""
    return {key.removesuffix(NEXT_LINK) for key in body if key.endswith(NEXT_LINK)}


def _failed_detail(error: ProducerError) -> ProducerError:
    if isinstance(error, GraphError) and error.status == 404:
        return ProducerError(
            FailureReason.CHANGED_WHILE_READING,
            f"The policy was deleted after it was listed, or a part of it is missing: {error}",
        )
    return error


def _unauthorized(row: PolicyType, refusal: GraphError) -> ProducerError:
    return unauthorized(
        f"Graph refuses to list `{row.collection}`. The app needs the application permission"
        f" {row.permission}, with an administrator's consent. {refusal}",
    )


def _weight(item: Item) -> int:
    return len(item.content) if isinstance(item, PolicyDocument) else 0
