"""The `InventoryProvider` that reads Microsoft Graph."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from domain.inventory.provider import NotTaken, PolicyDocument, ProviderCall
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.providers import GraphScopes, GraphSettings
from workers.providers.graph.areas import Area
from workers.providers.graph.client import GraphClient
from workers.providers.graph.failures import unavailable
from workers.providers.graph.policy_types import POLICY_TYPES, ROOT, VERSION, PolicyType
from workers.providers.graph.reading import read_policies
from workers.providers.graph.scopes import has_tag, tag_keys

ALL = "all"
TAGS_SECONDS = 30
_TAGS = f"{VERSION}/{ROOT}/roleScopeTags?$top=999"


class GraphProvider:
    """The policies of an Entra tenant; the settings say what its scopes are.

    The key of a policy is its collection and its id.
    """

    def __init__(self, settings: GraphSettings, call: ProviderCall) -> None:
        self._scopes = settings.scopes
        self._client = GraphClient(settings, call)

    async def scopes(self) -> Sequence[str]:
        """Return the keys of all scopes, sorted; only scope tags are asked for.

        Raises:
            ProducerError: PROVIDER_UNAVAILABLE if Graph hangs; a failure of the client.
        """
        if self._scopes is GraphScopes.ALL:
            return [ALL]
        if self._scopes is GraphScopes.TYPE:
            return sorted(POLICY_TYPES)
        try:
            async with asyncio.timeout(TAGS_SECONDS):
                return sorted(await self._tags())
        except TimeoutError:
            raise unavailable(
                f"Graph did not list the scope tags within {TAGS_SECONDS} seconds."
            ) from None

    async def policies(self, scope_key: str) -> AsyncIterator[Sequence[PolicyDocument | NotTaken]]:
        """Read one type after the other.

        Raises:
            ProducerError: SCOPE_NOT_FOUND; PROVIDER_UNAUTHORIZED with the missing permission;
                a failure of the client.
        """
        rows, is_in_scope = await self._scope(scope_key)
        for row in rows:
            async for batch in read_policies(self._client, row, is_in_scope):
                yield batch

    async def _scope(
        self, key: str
    ) -> tuple[Sequence[PolicyType], Callable[[Mapping[str, Any]], bool]]:
        """Return the types of which a scope has policies, and which of them it has."""
        rows = [*POLICY_TYPES.values()]
        if self._scopes is GraphScopes.ALL and key == ALL:
            return rows, _is_any
        if self._scopes is GraphScopes.TYPE and key in POLICY_TYPES:
            return [POLICY_TYPES[key]], _is_any
        tags = await self._tags() if self._scopes is GraphScopes.SCOPE_TAG else {}
        if key in tags:
            return rows, has_tag(tags[key])
        raise ProducerError(FailureReason.SCOPE_NOT_FOUND, "The scope does not exist.")

    async def _tags(self) -> Mapping[str, str]:
        pages = self._client.pages(_TAGS, Area.OTHER)
        return tag_keys([tag async for page in pages for tag in page])


def _is_any(_: Mapping[str, Any]) -> bool:
    return True
