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
_START = "start:"


def start_permission(run_type: str) -> str:
    """Return the permission to start runs of this type."""
    return f"{_START}{run_type}"


LEAST_ROLE: dict[str, TenantRole] = {
    VIEW: TenantRole.READONLY,
    start_permission("inventory.sync"): TenantRole.OPERATOR,
    start_permission("drift.generate"): TenantRole.OPERATOR,
    start_permission("backup_set.add_policies"): TenantRole.OPERATOR,
    CREATE_BACKUP_SET: TenantRole.MANAGER,
    CHANGE_SETTINGS: TenantRole.OWNER,
}


def refusal(role: TenantRole, permission: str) -> str | None:
    """Return why the role does not have the permission, for the user; None if it has."""
    least = LEAST_ROLE.get(permission)
    if least is None:
        if permission.startswith(_START):
            return f"Unknown run type {_quoted(permission.removeprefix(_START))}."
        return f"Unknown permission {_quoted(permission)}."
    if role.rank >= least.rank:
        return None
    required = least if least is HIGHEST else f"{least} or above"
    return f"Your role {role} may not do this: it requires {required}."


def _quoted(name: str) -> str:
    # A client may send any text here; the response quotes only its beginning.
    return repr(name if len(name) <= 60 else f"{name[:60]}…")
