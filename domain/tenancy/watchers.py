"""The memberships of users who watch a tenant, read for all of them together."""

from collections.abc import Mapping
from time import monotonic
from uuid import UUID

from domain.concurrency.shared_reads import SharedReads
from domain.tenancy import repository
from domain.tenancy.models import TenantAccess
from domain.tenancy.transactions import Transactions

# Seconds after which a user who did not ask again is no longer read.
_FORGET_SECONDS = 60.0


class Watchers:
    """Reads memberships again and again, with one statement for all users of a tenant."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        # When each user asked last, by tenant.
        self._asked: dict[UUID, dict[UUID, float]] = {}
        self._reads = SharedReads(self._read)

    async def access(
        self, tenant_id: UUID, user_id: UUID, *, max_age: float
    ) -> TenantAccess | None:
        """Return a user's access to a tenant, read at most `max_age` seconds ago.

        None if the user is unknown or not a member.
        """
        asked = self._asked.setdefault(tenant_id, {})
        is_new = user_id not in asked
        asked[user_id] = monotonic()
        accesses = await self._reads.get(tenant_id, max_age=0.0 if is_new else max_age)
        return accesses.get(user_id)

    async def _read(self, tenant_id: UUID) -> Mapping[UUID, TenantAccess]:
        since = monotonic() - _FORGET_SECONDS
        asked = {user: at for user, at in self._asked[tenant_id].items() if at >= since}
        self._asked[tenant_id] = asked
        async with self._transactions.tenant(tenant_id) as session:
            return await repository.accesses(session, [*asked])
