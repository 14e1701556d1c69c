"""Create the tables of the ledger and of the producers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_app_user_issuer_subject")),
        schema="opsrun",
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("export_folder", sa.Text(), nullable=True),
        sa.Column("retention_days", sa.Integer(), server_default=sa.text("90"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "retention_days BETWEEN 1 AND 3650", name=op.f("ck_tenant_retention_days")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant")),
        sa.UniqueConstraint("slug", name=op.f("uq_tenant_slug")),
        schema="opsrun",
    )
    op.create_table(
        "backup_set",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_by_id", sa.Uuid(), nullable=False),
        sa.Column("created_by_name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant.id"],
            name=op.f("fk_backup_set_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_backup_set")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_backup_set_tenant_id_name")),
        schema="opsrun",
    )
    op.create_table(
        "inventory_scope",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant.id"],
            name=op.f("fk_inventory_scope_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_inventory_scope")),
        schema="opsrun",
    )
    op.create_table(
        "membership",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "role IN ('OWNER', 'MANAGER', 'OPERATOR', 'READONLY')", name=op.f("ck_membership_role")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant.id"],
            name=op.f("fk_membership_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["opsrun.app_user.id"],
            name=op.f("fk_membership_user_id_app_user"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "user_id", name=op.f("pk_membership")),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_membership_user_id"), "membership", ["user_id"], unique=False, schema="opsrun"
    )
    op.create_table(
        "policy_document",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("body", JSONB(), nullable=False),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant.id"],
            name=op.f("fk_policy_document_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "hash", name=op.f("pk_policy_document")),
        schema="opsrun",
    )
    op.create_table(
        "tenant_feed",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("min_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant.id"],
            name=op.f("fk_tenant_feed_tenant_id_tenant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_feed")),
        schema="opsrun",
    )
    op.create_table(
        "backup_set_policy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("backup_set_id", sa.Uuid(), nullable=False),
        sa.Column("scope_key", sa.Text(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("policy_type", sa.Text(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "added_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "backup_set_id"],
            ["opsrun.backup_set.tenant_id", "opsrun.backup_set.id"],
            name=op.f("fk_backup_set_policy_tenant_id_backup_set_id_backup_set"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_hash"],
            ["opsrun.policy_document.tenant_id", "opsrun.policy_document.hash"],
            name=op.f("fk_backup_set_policy_tenant_id_document_hash_policy_document"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "backup_set_id",
            "scope_key",
            "policy_id",
            name=op.f("pk_backup_set_policy"),
        ),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_backup_set_policy_tenant_id_document_hash"),
        "backup_set_policy",
        ["tenant_id", "document_hash"],
        unique=False,
        schema="opsrun",
    )
    op.create_table(
        "operation_run",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column(
            "run_type",
            sa.Text(),
            sa.Computed("resource || '.' || action", persisted=True),
            nullable=False,
        ),
        sa.Column("idempotency_key", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column(
            "status_bucket",
            sa.Text(),
            sa.Computed(
                "CASE WHEN status = 'pending' THEN 'QUEUED' WHEN status = 'running' THEN 'RUNNING' WHEN status = 'completed' AND failed = 0 THEN 'SUCCEEDED' WHEN status = 'completed' AND failed > 0 AND succeeded > 0 THEN 'PARTIALLY_SUCCEEDED' WHEN status = 'completed' AND failed > 0 AND succeeded = 0 THEN 'FAILED' WHEN status = 'completed_with_errors' AND succeeded > 0 THEN 'PARTIALLY_SUCCEEDED' WHEN status = 'completed_with_errors' AND succeeded = 0 THEN 'FAILED' WHEN status = 'failed' THEN 'FAILED' WHEN status = 'aborted' THEN 'FAILED' END",  # noqa: E501
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("succeeded", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("initiator_id", sa.Uuid(), nullable=False),
        sa.Column("initiator_name", sa.Text(), nullable=False),
        sa.Column("context", JSONB(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_attempts", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("last_dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'running') = (lease_token IS NOT NULL)", name=op.f("ck_operation_run_lease")
        ),
        sa.CheckConstraint(
            "(status IN ('pending', 'running')) = (finished_at IS NULL)",
            name=op.f("ck_operation_run_finished"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'completed_with_errors', 'failed', 'aborted')",  # noqa: E501
            name=op.f("ck_operation_run_status"),
        ),
        sa.CheckConstraint("attempt <= max_attempts", name=op.f("ck_operation_run_attempts")),
        sa.CheckConstraint(
            "succeeded + failed + skipped <= coalesce(total, 2147483647)",
            name=op.f("ck_operation_run_counts"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["opsrun.tenant_feed.tenant_id"],
            name=op.f("fk_operation_run_tenant_id_tenant_feed"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_operation_run")),
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_finished",
        "operation_run",
        ["tenant_id", "finished_at"],
        unique=False,
        schema="opsrun",
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_operation_run_list",
        "operation_run",
        ["tenant_id", "created_at", "id", "run_type", "status_bucket", "initiator_id"],
        unique=False,
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_list_initiator_id",
        "operation_run",
        ["tenant_id", "initiator_id", "status_bucket", "created_at", "id", "run_type"],
        unique=False,
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_list_run_type",
        "operation_run",
        ["tenant_id", "run_type", "status_bucket", "created_at", "id"],
        unique=False,
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_list_status_bucket",
        "operation_run",
        ["tenant_id", "status_bucket", "created_at", "id"],
        unique=False,
        schema="opsrun",
    )
    op.create_index(
        "ix_operation_run_pending",
        "operation_run",
        ["not_before"],
        unique=False,
        schema="opsrun",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_operation_run_running",
        "operation_run",
        ["started_at"],
        unique=False,
        schema="opsrun",
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_operation_run_succeeded",
        "operation_run",
        ["tenant_id", "run_type", "subject", "created_at"],
        unique=False,
        schema="opsrun",
        postgresql_where=sa.text("status_bucket = 'SUCCEEDED'"),
    )
    op.create_index(
        "uq_operation_run_active",
        "operation_run",
        ["tenant_id", "run_type", "idempotency_key"],
        unique=True,
        schema="opsrun",
        postgresql_where=sa.text("status IN ('pending', 'running')"),
    )
    op.create_table(
        "drift_finding",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("scope_key", sa.Text(), nullable=False),
        sa.Column("baseline_run_id", sa.Uuid(), nullable=False),
        sa.Column("current_run_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("policy_name", sa.Text(), nullable=False),
        sa.Column("policy_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("changes", JSONB(), nullable=False),
        sa.Column(
            "found_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('ADDED', 'REMOVED', 'MODIFIED')", name=op.f("ck_drift_finding_kind")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_drift_finding_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_drift_finding")),
        sa.UniqueConstraint(
            "tenant_id", "fingerprint", name=op.f("uq_drift_finding_tenant_id_fingerprint")
        ),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_drift_finding_tenant_id_baseline_run_id_current_run_id_id"),
        "drift_finding",
        ["tenant_id", "baseline_run_id", "current_run_id", "id"],
        unique=False,
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_drift_finding_tenant_id_run_id"),
        "drift_finding",
        ["tenant_id", "run_id"],
        unique=False,
        schema="opsrun",
    )
    op.create_table(
        "inventory_policy",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Text(), nullable=False),
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("policy_type", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("document_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_hash"],
            ["opsrun.policy_document.tenant_id", "opsrun.policy_document.hash"],
            name=op.f("fk_inventory_policy_tenant_id_document_hash_policy_document"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_inventory_policy_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "run_id", "policy_id", name=op.f("pk_inventory_policy")
        ),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_inventory_policy_tenant_id_document_hash"),
        "inventory_policy",
        ["tenant_id", "document_hash"],
        unique=False,
        schema="opsrun",
    )
    op.create_table(
        "notification",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_notification_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notification")),
        sa.UniqueConstraint(
            "tenant_id",
            "run_id",
            "recipient_id",
            "outcome",
            name=op.f("uq_notification_tenant_id_run_id_recipient_id_outcome"),
        ),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_notification_tenant_id_recipient_id_seq"),
        "notification",
        ["tenant_id", "recipient_id", "seq"],
        unique=False,
        schema="opsrun",
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("run_type", sa.Text(), nullable=False),
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_outbox_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="opsrun",
    )
    op.create_index(
        op.f("ix_outbox_not_before"), "outbox", ["not_before"], unique=False, schema="opsrun"
    )
    op.create_index(
        op.f("ix_outbox_tenant_id_run_id"),
        "outbox",
        ["tenant_id", "run_id"],
        unique=False,
        schema="opsrun",
    )
    op.create_table(
        "run_event",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_bucket", sa.Text(), nullable=False),
        sa.Column("previous_bucket", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_run_event_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "seq", name=op.f("pk_run_event")),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "version", name=op.f("uq_run_event_tenant_id_run_id_version")
        ),
        schema="opsrun",
    )
    op.create_table(
        "run_failure",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("error_id", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_run_failure_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "item_key", name=op.f("pk_run_failure")),
        schema="opsrun",
    )
    op.create_table(
        "run_item",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'failed', 'skipped')", name=op.f("ck_run_item_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["opsrun.operation_run.tenant_id", "opsrun.operation_run.id"],
            name=op.f("fk_run_item_tenant_id_run_id_operation_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "run_id", "item_key", name=op.f("pk_run_item")),
        schema="opsrun",
    )
