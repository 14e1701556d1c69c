"""The use cases of drift (P2)."""

from domain.drift.models import ACTION, RESOURCE, RUN_TYPE, Comparison
from domain.errors import UserErrorCode, UserInputError
from domain.inventory.repository.scopes import snapshot_runs
from domain.inventory.service import require_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import start_permission
from domain.tenancy.transactions import Transactions


class Drift:
    """Starts comparisons."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start_generation(self, access: TenantAccess, scope_key: str) -> StartedRun:
        """Start `drift.generate` over the scope's last two snapshots.

        Raises:
            ForbiddenError, UserInputError (INVALID_SCOPE_KEY, NOT_ENOUGH_SNAPSHOTS): no run was
            started.
        """
        access.require(start_permission(RUN_TYPE))
        key = require_scope_key(scope_key)
        runs = await self._transactions.read(snapshot_runs, access, key, 2)
        if len(runs) < 2:
            raise UserInputError(
                UserErrorCode.NOT_ENOUGH_SNAPSHOTS,
                f"Drift compares the last two inventory syncs that succeeded as a whole;"
                f" {key!r} has {len(runs)}. Sync the scope until it has two.",
                "scope_key",
            )
        current, baseline = runs
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=key,
            context=Comparison(key, baseline, current).context,
        )
