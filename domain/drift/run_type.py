"""The declaration of `drift.generate` (P2)."""

from pydantic import Field

from domain.drift.models import RUN_TYPE, Comparison
from domain.errors import UserErrorCode, UserInputError
from domain.inventory.repository.scopes import snapshot_runs
from domain.inventory.run_type import require_scope_key
from domain.runs.contexts import Parameters
from domain.runs.run_types import RunType, Work
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession


class DriftParameters(Parameters):
    """The scope whose last two snapshots are compared."""

    scope_key: str = Field(description="The key of the scope to compare.")


async def _prepare(session: TenantSession, parameters: DriftParameters) -> Work:
    """Choose the scope's last two snapshots.

    Raises:
        UserInputError: INVALID_SCOPE_KEY, NOT_ENOUGH_SNAPSHOTS.
    """
    key = require_scope_key(parameters.scope_key)
    runs = await snapshot_runs(session, key, 2)
    if len(runs) < 2:
        raise UserInputError(
            UserErrorCode.NOT_ENOUGH_SNAPSHOTS,
            f"Drift compares the last two inventory syncs that succeeded as a whole;"
            f" {key!r} has {len(runs)}. Sync the scope until it has two.",
            "scope_key",
        )
    current, baseline = runs
    return Work(key, Comparison(key, baseline, current).context)


DRIFT_GENERATE = RunType(
    name=RUN_TYPE,
    title="Generate drift",
    description="Compares a scope's last two complete snapshots.",
    least_role=TenantRole.OPERATOR,
    parameters=DriftParameters,
    prepare=_prepare,
    producer="workers.producers.drift_generate:DriftGenerate",
)
