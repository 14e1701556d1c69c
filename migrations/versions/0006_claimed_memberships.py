"""Let the API see the tenants that a token claims, and store the calling user.

If memberships come from a claim, users are not added beforehand. The API adds the row of its
transaction's user, and finds tenants by the slugs that the transaction names. A transaction that
names no slugs sees no more tenants than before.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the policies: read the claimed tenants, write the transaction's user."""
    op.execute(
        "CREATE POLICY claimed ON opsrun.tenant FOR SELECT TO opsrun_api USING (slug = ANY"
        " (string_to_array(nullif(current_setting('opsrun.claimed_slugs', true), ''), ',')))"
    )
    op.execute("ALTER POLICY tenant ON opsrun.app_user WITH CHECK (id = opsrun.current_user_id())")
    op.execute("GRANT INSERT, UPDATE (name, email) ON opsrun.app_user TO opsrun_api")
