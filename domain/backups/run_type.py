"""The declaration of `backup_set.add_policies` (P3)."""

from domain.backups.models import RUN_TYPE, AddPolicies
from domain.backups.repository import by_ids
from domain.errors import BadInputError, UserErrorCode, UserInputError
from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.scopes import valid_scope_key
from domain.runs.run_types import RunType, Work
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession

MAX_POLICIES = 1000


async def _prepare(session: TenantSession, parameters: AddPolicies) -> Work:
    """Require policies, and an existing backup set.

    Raises:
        UserInputError: NO_POLICIES, TOO_MANY_POLICIES, BACKUP_SET_NOT_FOUND.
        BadInputError: a scope key or policy id is not valid.
    """
    policies = parameters.policies
    if not policies:
        raise UserInputError(UserErrorCode.NO_POLICIES, "Choose at least one policy.", "policies")
    if len(policies) > MAX_POLICIES:
        raise UserInputError(
            UserErrorCode.TOO_MANY_POLICIES,
            f"Add at most {MAX_POLICIES} policies at a time.",
            "policies",
        )
    # A longer text could not be stored as the key of an item.
    if not all(
        valid_scope_key(scope_key) and len(policy_id) <= MAX_ID_LENGTH
        for scope_key, policy_id in policies
    ):
        raise BadInputError("A policy id is not valid. Send ids back as received.")
    backup_set = (await by_ids(session, [parameters.backup_set_id])).get(parameters.backup_set_id)
    if backup_set is None:
        raise UserInputError(
            UserErrorCode.BACKUP_SET_NOT_FOUND,
            "This backup set does not exist. Create it first.",
            "backup_set_id",
        )
    return Work(backup_set.name, parameters.context)


ADD_POLICIES = RunType(
    name=RUN_TYPE,
    title="Add policies to a backup set",
    description="Copies policies of the current snapshots into a backup set.",
    least_role=TenantRole.OPERATOR,
    parameters=AddPolicies,
    prepare=_prepare,
    producer="workers.producers.backup_set_add_policies:BackupSetAddPolicies",
)
