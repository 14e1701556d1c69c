"""Queries of a member's notifications."""

from typing import Any

from tests.client import Client
from tests.world import World

LIST = """query ($tenant: ID!, $first: Int, $after: String, $unread: Boolean! = false) {
  tenant(id: $tenant) {
    notifications(first: $first, after: $after, unreadOnly: $unread) {
      nodes { id outcome title url cursor createdAt readAt run { id statusBucket } }
      edges { cursor }
      pageInfo { hasNextPage hasPreviousPage endCursor }
    }
    unreadNotificationCount
  }
}"""


async def listed(client: Client, world: World, **arguments: Any) -> Any:
    """Return a page of the caller's notifications."""
    data = await client.data(LIST, tenant=world.global_id, **arguments)
    return data["tenant"]["notifications"]


async def unread(client: Client, world: World) -> int:
    """Return the number of unread notifications."""
    data = await client.data(LIST, tenant=world.global_id)
    count: int = data["tenant"]["unreadNotificationCount"]
    return count
