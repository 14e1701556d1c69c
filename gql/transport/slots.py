"""How many connections a user, and the members of a tenant, may have open in this process."""

from collections import Counter
from uuid import UUID

from domain.errors import RateLimitedError

# Seconds after which a refused client may try again; connections come and go slowly.
RETRY_AFTER = 10.0


class Slots:
    """Counts open sockets and event streams by user, and by the tenants they read from."""

    def __init__(self, *, per_user: int, per_tenant: int) -> None:
        self.per_user = per_user
        self.per_tenant = per_tenant
        self.taken: Counter[UUID] = Counter()

    def new(self) -> "Slot":
        """Return what one connection takes; nothing yet."""
        return Slot(self)


class Slot:
    """What one connection has taken, until it is given back."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._holders: set[UUID] = set()

    def take(self, context: object) -> None:
        """Take a slot of the user of an operation's context, if it names one.

        Raises:
            RateLimitedError: the user has none left.
        """
        actor_id = getattr(context, "actor_id", None)
        if actor_id is not None:
            self._take(actor_id, self._slots.per_user, "You have")

    def enter(self, tenant_id: UUID) -> None:
        """Take a slot of a tenant; one connection takes at most one.

        Raises:
            RateLimitedError: the tenant has none left.
        """
        self._take(tenant_id, self._slots.per_tenant, "This tenant's members have")

    def give_back(self) -> None:
        """Give back all that was taken."""
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
                f"{who} {limit} sockets and streams open here, and more there cannot be."
                " Close some, or share one socket between subscriptions.",
                RETRY_AFTER,
            )
        self._slots.taken[holder] += 1
        self._holders.add(holder)
