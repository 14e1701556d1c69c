"""The use cases of a tenant's inventory."""

from domain.errors import UserErrorCode, UserInputError
from domain.inventory.models import ACTION, RESOURCE, RUN_TYPE, SyncParameters
from domain.inventory.repository.scopes import scope_exists
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import start_permission
from domain.tenancy.transactions import Transactions


def require_scope_key(key: str) -> str:
    """Return the key in its stored form; raise UserInputError unless it is valid."""
    normal = normal_scope_key(key)
    if not valid_scope_key(normal):
        raise UserInputError(
            UserErrorCode.INVALID_SCOPE_KEY,
            "A scope key is 1 to 100 letters, digits, dots, dashes, underscores or inner spaces,"
            " and does not start with a dot.",
            "scope_key",
        )
    return normal


class Inventory:
    """Starts syncs."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start_sync(
        self, access: TenantAccess, scope_key: str, *, allow_empty: bool = False
    ) -> StartedRun:
        """Start `inventory.sync` of a known scope.

        `allow_empty` accepts that the scope has lost all its policies.

        Raises:
            ForbiddenError, UserInputError (INVALID_SCOPE_KEY, UNKNOWN_SCOPE): no run was started.
        """
        access.require(start_permission(RUN_TYPE))
        key = require_scope_key(scope_key)
        if not await self._transactions.read(scope_exists, access, key):
            raise UserInputError(
                UserErrorCode.UNKNOWN_SCOPE,
                f"Unknown scope {key!r}. `inventoryScopes` lists the existing ones; a new one"
                " appears within seconds.",
                "scope_key",
            )
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=key,
            context=SyncParameters(key, allow_empty).context,
        )
