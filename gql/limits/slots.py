"""The limits of open connections in this process, for each user and each tenant."""

from collections import Counter
from uuid import UUID

from domain.errors import RateLimitedError

# Seconds after which a refused client may try again.
RETRY_AFTER = 10.0


class Slots:
    """Counts open WebSockets and event streams, by user and by the tenants they read from."""

    def __init__(self, *, per_user: int, per_tenant: int) -> None:
        self.per_user = per_user
        self.per_tenant = per_tenant
        self.taken: Counter[UUID] = Counter()

    def new(self) -> "Slot":
        """Return the slot of a new connection, which holds nothing yet."""
        return Slot(self)


class Slot:
    """The slots that one connection holds until it gives them back."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._holders: set[UUID] = set()

    def take(self, user_id: UUID) -> None:
        """Take a slot of the user; a connection takes at most one.

        Raises:
            RateLimitedError: the user has none left.
        """
        self._take(user_id, self._slots.per_user, "You have")

    def enter(self, tenant_id: UUID) -> None:
        """Take a slot of a tenant; a connection takes at most one of each tenant.

        Raises:
            RateLimitedError: the tenant has none left.
        """
        self._take(tenant_id, self._slots.per_tenant, "This tenant's members have")

    def give_back(self) -> None:
        """Give all slots back."""
        for holder in self._holders:
            self._slots.taken[holder] -= 1
            if not self._slots.taken[holder]:
                del self._slots.taken[holder]
        self._holders.clear()

    def _take(self, holder: UUID, limit: int, who: str) -> None:
        if holder in self._holders:
            return
        if self._slots.taken[holder] >= limit:
            raise RateLimitedError(
                f"{who} {limit} WebSockets and event streams open, which is the limit. Close some,"
                " or run several subscriptions on one WebSocket.",
                RETRY_AFTER,
            )
        self._slots.taken[holder] += 1
        self._holders.add(holder)
