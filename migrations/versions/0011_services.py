"""Let a service and a person of an issuer have the same subject.

Their ids differ: an id is derived from issuer, subject and kind, so the primary key is enough.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the constraint on issuer and subject."""
    op.drop_constraint("uq_app_user_issuer_subject", "app_user", schema="opsrun")
