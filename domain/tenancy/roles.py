"""The permissions of each role (T1), as data."""

from enum import StrEnum


class TenantRole(StrEnum):
    """A user's role in a tenant, in ascending order."""

    READONLY = "READONLY"
    OPERATOR = "OPERATOR"
    MANAGER = "MANAGER"
    OWNER = "OWNER"

    @property
    def rank(self) -> int:
        """A role may do everything that a role of lower rank may do."""
        return list(TenantRole).index(self)


HIGHEST = list(TenantRole)[-1]

VIEW = "view"
CREATE_BACKUP_SET = "create:backup_set"
CHANGE_SETTINGS = "change:settings"

# The least role that may start a run belongs to its run type.
LEAST_ROLE: dict[str, TenantRole] = {
    VIEW: TenantRole.READONLY,
    CREATE_BACKUP_SET: TenantRole.MANAGER,
    CHANGE_SETTINGS: TenantRole.OWNER,
}


def refusal(role: TenantRole, least: TenantRole) -> str | None:
    """Return why the role is not enough, for the user; None if it is `least` or above."""
    if role.rank >= least.rank:
        return None
    required = least if least is HIGHEST else f"{least} or above"
    return f"Your role {role} may not do this: it requires {required}."
