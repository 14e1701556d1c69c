"""The use cases of backup sets (P3)."""

from domain.backups import repository
from domain.backups.models import BackupSet
from domain.errors import UserErrorCode, UserInputError
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import CREATE_BACKUP_SET
from domain.tenancy.transactions import Transactions

MAX_NAME_LENGTH = 100


class Backups:
    """Creates backup sets."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

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
