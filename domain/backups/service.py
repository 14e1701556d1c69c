"""The use cases of backup sets (P3)."""

from collections.abc import Sequence
from uuid import UUID

from domain.backups import repository
from domain.backups.models import ACTION, RESOURCE, RUN_TYPE, AddPolicies, BackupSet
from domain.errors import BadInputError, UserErrorCode, UserInputError
from domain.inventory.policies import MAX_ID_LENGTH
from domain.inventory.scopes import valid_scope_key
from domain.runs.models import StartedRun
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import CREATE_BACKUP_SET, start_permission
from domain.tenancy.transactions import Transactions

MAX_NAME_LENGTH = 100
MAX_POLICIES = 1000


class Backups:
    """Creates backup sets and fills them."""

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def create_set(self, access: TenantAccess, name: str) -> BackupSet:
        """Create an empty backup set.

        Raises:
            ForbiddenError, UserInputError (INVALID_NAME, NAME_TAKEN).
        """
        access.require(CREATE_BACKUP_SET)
        name = name.strip()
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise UserInputError(
                UserErrorCode.INVALID_NAME,
                f"A name has 1 to {MAX_NAME_LENGTH} printable characters.",
                "name",
            )
        async with self._transactions.member(access, CREATE_BACKUP_SET) as session:
            set_id = await repository.create(session, name, created_by_name=access.user_name)
            if set_id is None:
                raise UserInputError(
                    UserErrorCode.NAME_TAKEN,
                    f"There is already a backup set {name!r}. Choose another name.",
                    "name",
                )
            return (await repository.by_ids(session, [set_id]))[set_id]

    async def start_adding(
        self, access: TenantAccess, backup_set_id: UUID, policies: Sequence[tuple[str, str]]
    ) -> StartedRun:
        """Start `backup_set.add_policies` with policies as (scope key, policy id).

        Raises:
            ForbiddenError, UserInputError (NO_POLICIES, TOO_MANY_POLICIES, BACKUP_SET_NOT_FOUND),
            BadInputError (a scope key or policy id is not valid): no run was started.
        """
        access.require(start_permission(RUN_TYPE))
        if not policies:
            raise UserInputError(
                UserErrorCode.NO_POLICIES, "Choose at least one policy.", "policies"
            )
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
        backup_set = (
            await self._transactions.read(repository.by_ids, access, [backup_set_id])
        ).get(backup_set_id)
        if backup_set is None:
            raise UserInputError(
                UserErrorCode.BACKUP_SET_NOT_FOUND,
                "This backup set does not exist. Create it first.",
                "backup_set_id",
            )
        return await self._starter.start(
            access,
            resource=RESOURCE,
            action=ACTION,
            subject=backup_set.name,
            context=AddPolicies(backup_set_id, policies).context,
        )
