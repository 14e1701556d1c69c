"""Who may do what (T1), as data."""

from enum import StrEnum


class TenantRole(StrEnum):
    """A user's role in one tenant, from the least to the most."""

    READONLY = "READONLY"
    OPERATOR = "OPERATOR"
    MANAGER = "MANAGER"
    OWNER = "OWNER"

    @property
    def rank(self) -> int:
        """Higher may do everything that lower may."""
        return list(TenantRole).index(self)


VIEW = "view"
CREATE_BACKUP_SET = "create:backup_set"
CHANGE_SETTINGS = "change:settings"


def start_permission(run_type: str) -> str:
    """Return the permission to start runs of this type."""
    return f"start:{run_type}"


LEAST_ROLE: dict[str, TenantRole] = {
    VIEW: TenantRole.READONLY,
    start_permission("inventory.sync"): TenantRole.OPERATOR,
    start_permission("drift.generate"): TenantRole.OPERATOR,
    start_permission("backup_set.add_policies"): TenantRole.OPERATOR,
    CREATE_BACKUP_SET: TenantRole.MANAGER,
    CHANGE_SETTINGS: TenantRole.OWNER,
}


def refusal(role: TenantRole, permission: str) -> str | None:
    """Return why `role` may not do `permission`, in words for the user; None when it may."""
    least = LEAST_ROLE.get(permission)
    if least is None:
        return f"Nobody may do {permission!r}: it is not known here."
    if role.rank < least.rank:
        return f"Your role {role} may not do this; it takes {least} or above."
    return None
