"""The declaration of `inventory.sync` (P1)."""

from domain.errors import UserErrorCode, UserInputError
from domain.inventory.models import RUN_TYPE, SyncParameters
from domain.inventory.repository.scopes import scope_exists
from domain.inventory.scopes import normal_scope_key, valid_scope_key
from domain.runs.run_types import RunType, Work
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession


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


async def _prepare(session: TenantSession, parameters: SyncParameters) -> Work:
    """Require a known scope.

    Raises:
        UserInputError: INVALID_SCOPE_KEY, UNKNOWN_SCOPE.
    """
    key = require_scope_key(parameters.scope_key)
    if not await scope_exists(session, key):
        raise UserInputError(
            UserErrorCode.UNKNOWN_SCOPE,
            f"Unknown scope {key!r}. `inventoryScopes` lists the existing ones; a new one"
            " appears within seconds.",
            "scope_key",
        )
    normal = parameters.model_copy(update={"scope_key": key})
    return Work(key, normal.context)


INVENTORY_SYNC = RunType(
    name=RUN_TYPE,
    title="Sync an inventory",
    description="Stores all policies of a scope as a snapshot.",
    least_role=TenantRole.OPERATOR,
    parameters=SyncParameters,
    prepare=_prepare,
    producer="workers.producers.inventory_sync:InventorySync",
)
