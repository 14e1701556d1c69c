"""Let the API see the tenants that a token claims, and keep the row of the user who asks.

Where memberships come from a claim, nobody adds users beforehand. The API adds one row, that of
its transaction's user, and finds tenants by the slugs that the transaction names. Neither shows
it more tenants than before to anybody whose token names none.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Show the API what its transaction names, and let it write its transaction's user."""
    op.execute(
        "CREATE POLICY claimed ON opsrun.tenant FOR SELECT TO opsrun_api USING (slug = ANY"
        " (string_to_array(nullif(current_setting('opsrun.claimed_slugs', true), ''), ',')))"
    )
    op.execute("ALTER POLICY tenant ON opsrun.app_user WITH CHECK (id = opsrun.current_user_id())")
    op.execute("GRANT INSERT, UPDATE (name, email) ON opsrun.app_user TO opsrun_api")
