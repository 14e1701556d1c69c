"""Create three logins with the least privileges, and row level security (T3).

`opsrun_api` and `opsrun_worker` see only the tenant that their transaction names;
`opsrun_maintenance` sees all. The roles have no password and cannot log in until the operator, or
`opsrun dev`, enables them.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = ("opsrun_api", "opsrun_worker", "opsrun_maintenance")

OF_TENANT = (
    "tenant_feed",
    "operation_run",
    "run_item",
    "run_failure",
    "run_event",
    "outbox",
    "notification",
    "inventory_scope",
    "policy_document",
    "inventory_policy",
    "drift_finding",
    "backup_set",
    "backup_set_policy",
)

_MY_TENANTS = "SELECT tenant_id FROM opsrun.membership WHERE user_id = opsrun.current_user_id()"
_MEMBERS = "SELECT user_id FROM opsrun.membership WHERE tenant_id = opsrun.current_tenant_id()"
IN_TENANT = "tenant_id = opsrun.current_tenant_id()"
POLICIES = {
    **dict.fromkeys(OF_TENANT, (IN_TENANT, IN_TENANT)),
    "membership": (f"{IN_TENANT} OR user_id = opsrun.current_user_id()", IN_TENANT),
    "tenant": (
        f"id = opsrun.current_tenant_id() OR id IN ({_MY_TENANTS})",
        "id = opsrun.current_tenant_id()",
    ),
    "app_user": (
        f"id = opsrun.current_user_id() OR id IN ({_MEMBERS})",
        "false",
    ),
}

GRANTS = {
    "opsrun_api": {
        "SELECT": (*POLICIES,),
        "INSERT": ("operation_run", "run_event", "outbox", "notification", "backup_set"),
        "UPDATE (seq)": ("tenant_feed",),
        "UPDATE (read_at)": ("notification",),
        "UPDATE (retention_days)": ("tenant",),
    },
    "opsrun_worker": {
        "SELECT": (*POLICIES,),
        "INSERT": (
            "run_item",
            "run_failure",
            "run_event",
            "outbox",
            "notification",
            "inventory_scope",
            "policy_document",
            "inventory_policy",
            "drift_finding",
            "backup_set_policy",
        ),
        "UPDATE": ("operation_run", "inventory_scope"),
        "UPDATE (seq)": ("tenant_feed",),
        "UPDATE (stored_at)": ("policy_document",),
        "UPDATE (run_id)": ("drift_finding",),
    },
    "opsrun_maintenance": {"SELECT, INSERT, UPDATE, DELETE": (*POLICIES,)},
}


def upgrade() -> None:
    """Create the roles, the grants and the policies."""
    for role in ROLES:
        op.execute(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB"
            " NOCREATEROLE; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;"
            " END $$"
        )
        op.execute(f"GRANT USAGE ON SCHEMA opsrun TO {role}")
    for name in ("tenant_id", "user_id"):
        # After a transaction that set it, the setting is '' instead of NULL.
        op.execute(
            f"CREATE FUNCTION opsrun.current_{name}() RETURNS uuid LANGUAGE sql STABLE"
            " PARALLEL SAFE AS"
            f" $$ SELECT nullif(current_setting('opsrun.{name}', true), '')::uuid $$"
        )
    for table, (visible, writable) in POLICIES.items():
        op.execute(f"ALTER TABLE opsrun.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE opsrun.{table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON opsrun.{table} USING ({visible}) WITH CHECK ({writable})"
        )
        op.execute(
            f"CREATE POLICY maintenance ON opsrun.{table} TO opsrun_maintenance"
            " USING (true) WITH CHECK (true)"
        )
    for role, privileges in GRANTS.items():
        for privilege, tables in privileges.items():
            for table in tables:
                op.execute(f"GRANT {privilege} ON opsrun.{table} TO {role}")
