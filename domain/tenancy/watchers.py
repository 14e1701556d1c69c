"""The memberships of users who watch a tenant, read for all of them together."""

from collections.abc import Mapping
from time import monotonic
from uuid import UUID

from domain.concurrency.shared_reads import SharedReads
from domain.tenancy import repository
from domain.tenancy.models import TenantAccess
from domain.tenancy.transactions import Transactions

# Seconds after which a user whose access is not needed any more is no longer read.
_FORGET_SECONDS = 60.0


class Watchers:
    """Reads memberships again and again, with one statement for all users of a tenant."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # When each user was read for the last time, by tenant.
        self._watching: dict[UUID, dict[UUID, float]] = {}
        self._reads = SharedReads(self._read)

    async def access(
        self, tenant_id: UUID, user_id: UUID, *, max_age: float
    ) -> TenantAccess | None:
        """Return a user's access to a tenant, read at most `max_age` seconds ago.

        None if the user is unknown or not a member.
        """
        watching = self._watching.setdefault(tenant_id, {})
        is_new = user_id not in watching
        watching[user_id] = monotonic()
        accesses = await self._reads.get(tenant_id, max_age=0.0 if is_new else max_age)
        return accesses.get(user_id)

    async def _read(self, tenant_id: UUID) -> Mapping[UUID, TenantAccess]:
        since = monotonic() - _FORGET_SECONDS
        watching = {user: at for user, at in self._watching[tenant_id].items() if at >= since}
        self._watching[tenant_id] = watching
        async with self._transactions.tenant(tenant_id) as session:
            return await repository.accesses(session, [*watching])
