"""Store the documents that operators register and clients run by hash."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; the API reads it, maintenance writes it."""
    op.create_table(
        "trusted_document",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column(
            "registered_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("clock_timestamp()"),
        ),
        sa.CheckConstraint(
            "sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')",
            name=op.f("ck_trusted_document_sha256"),
        ),
        sa.PrimaryKeyConstraint("sha256", name="pk_trusted_document"),
        schema="opsrun",
    )
    op.execute("GRANT SELECT ON opsrun.trusted_document TO opsrun_api")
    op.execute("GRANT SELECT, INSERT, DELETE ON opsrun.trusted_document TO opsrun_maintenance")
