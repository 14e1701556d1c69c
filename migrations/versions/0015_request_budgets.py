"""Count the requests to other services, for all workers together."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, which belongs to no tenant, as tenants may share an app."""
    op.create_table(
        "request_budget",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("area", sa.Text, nullable=False),
        sa.Column("seconds", ARRAY(sa.BigInteger), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("counts", ARRAY(sa.Integer), nullable=False, server_default=sa.text("'{}'")),
        sa.Column("is_taken", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column(
            "closed_until",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("'-infinity'"),
        ),
        sa.PrimaryKeyConstraint("owner", "area", name="pk_request_budget"),
        schema="opsrun",
    )
    op.execute(
        "GRANT SELECT, INSERT, UPDATE ON opsrun.request_budget TO opsrun_worker, opsrun_maintenance"
    )
