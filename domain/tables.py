"""The tables. Row level security confines every table with a `tenant_id` to one tenant (T3)."""

from collections.abc import Iterable

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.lifecycle import ACTIVE_STATUSES, BUCKET_RULES, BucketRule, RunStatus

SCHEMA = "opsrun"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
)

_now = text("clock_timestamp()")
_timestamp = DateTime(timezone=True)


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _when(rule: BucketRule) -> str:
    conditions = [f"status = '{rule.status}'"]
    for column, any_items in (("failed", rule.any_failed), ("succeeded", rule.any_succeeded)):
        if any_items is not None:
            conditions.append(f"{column} {'>' if any_items else '='} 0")
    return f"WHEN {' AND '.join(conditions)} THEN '{rule.bucket}'"


STATUS_BUCKET_SQL = f"CASE {' '.join(map(_when, BUCKET_RULES))} END"
ACTIVE_SQL = f"status IN ({_quoted(ACTIVE_STATUSES)})"
DISPATCHED_SQL = f"{ACTIVE_SQL} AND last_dispatched_at IS NOT NULL"
SENT_SQL = "sent_at IS NOT NULL AND NOT is_claimed"
PARKED_SQL = "not_before = 'infinity'"


tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    # Where its policies are read from; neither if the operator has not set it.
    Column("export_folder", Text),
    Column("graph", JSONB(none_as_null=True)),
    Column("retention_days", Integer, nullable=False, server_default=text("90")),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    CheckConstraint("retention_days BETWEEN 1 AND 3650", name="retention_days"),
    CheckConstraint("export_folder IS NULL OR graph IS NULL", name="one_provider"),
)

# The id is derived from issuer, subject and kind, so it needs no unique constraint.
app_user = Table(
    "app_user",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
)

membership = Table(
    "membership",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE")),
    Column("user_id", Uuid, ForeignKey(app_user.c.id, ondelete="CASCADE"), index=True),
    Column("role", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "user_id"),
    CheckConstraint("role IN ('OWNER', 'MANAGER', 'OPERATOR', 'READONLY')", name="role"),
)

# The GraphQL documents of clients. They belong to no tenant, and their text is public.
trusted_document = Table(
    "trusted_document",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("registered_at", _timestamp, nullable=False, server_default=_now),
    CheckConstraint("sha256 = encode(sha256(convert_to(text, 'UTF8')), 'hex')", name="sha256"),
)

tenant_feed = Table(
    "tenant_feed",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE"), primary_key=True),
    Column("epoch", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("min_seq", BigInteger, nullable=False, server_default=text("0")),
)

operation_run = Table(
    "operation_run",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant_feed.c.tenant_id, ondelete="CASCADE")),
    Column("id", Uuid, nullable=False),
    Column("resource", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("run_type", Text, Computed("resource || '.' || action", persisted=True), nullable=False),
    Column("idempotency_key", LargeBinary, nullable=False),
    Column("status", Text, nullable=False, server_default=RunStatus.PENDING),
    Column("status_bucket", Text, Computed(STATUS_BUCKET_SQL, persisted=True), nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("total", Integer),
    Column("succeeded", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("skipped", Integer, nullable=False, server_default=text("0")),
    Column("initiator_id", Uuid, nullable=False),
    Column("initiator_name", Text, nullable=False),
    Column("context", JSONB, nullable=False),
    Column("subject", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("max_attempts", Integer, nullable=False, server_default=text("3")),
    Column("lease_token", Uuid),
    Column("lease_owner", Text),
    Column("lease_expires_at", _timestamp),
    Column("not_before", _timestamp, nullable=False, server_default=_now),
    Column("last_dispatched_at", _timestamp),  # null while an entry waits in the outbox
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    Column("started_at", _timestamp),
    Column("finished_at", _timestamp),
    Column("traceparent", Text),  # the trace that the run continues (W3C)
    Column("waiting_reason", Text),  # null unless a running run waits
    PrimaryKeyConstraint("tenant_id", "id"),
    CheckConstraint(f"status IN ({_quoted(RunStatus)})", name="status"),
    CheckConstraint("attempt <= max_attempts", name="attempts"),
    CheckConstraint("succeeded + failed + skipped <= coalesce(total, 2147483647)", name="counts"),
    CheckConstraint("(status = 'running') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint(f"({ACTIVE_SQL}) = (finished_at IS NULL)", name="finished"),
    Index(
        "uq_operation_run_active",
        *("tenant_id", "run_type", "idempotency_key"),
        unique=True,
        postgresql_where=text(ACTIVE_SQL),
    ),
    # The list, and the incomplete periods of facets (product 6). The columns that a filter fixes
    # come first, then those of the list's order, so that a page is one range of the index. The
    # columns after the order are tested or counted inside the index.
    Index(
        "ix_operation_run_list",
        *("tenant_id", "created_at", "id", "run_type", "status_bucket", "initiator_id"),
    ),
    Index("ix_operation_run_list_status_bucket", "tenant_id", "status_bucket", "created_at", "id"),
    Index(
        "ix_operation_run_list_run_type",
        *("tenant_id", "run_type", "status_bucket", "created_at", "id"),
    ),
    Index(
        "ix_operation_run_list_initiator_id",
        *("tenant_id", "initiator_id", "status_bucket", "created_at", "id", "run_type"),
    ),
    Index(
        "ix_operation_run_list_initiator_id_run_type",
        *("tenant_id", "initiator_id", "run_type", "status_bucket", "created_at", "id"),
    ),
    # The newest successes about one subject: the current snapshot and its baseline.
    Index(
        "ix_operation_run_succeeded",
        *("tenant_id", "run_type", "subject", "created_at"),
        postgresql_where=text("status_bucket = 'SUCCEEDED'"),
    ),
    # For rescues. It excludes the lease, which each heartbeat would then have to update here.
    Index("ix_operation_run_running", "started_at", postgresql_where=text("status = 'running'")),
    Index("ix_operation_run_pending", "not_before", postgresql_where=text("status = 'pending'")),
    # How many runs of a tenant are dispatched or running.
    Index("ix_operation_run_dispatched", "tenant_id", postgresql_where=text(DISPATCHED_SQL)),
    Index(
        "ix_operation_run_finished",
        *("tenant_id", "finished_at"),
        postgresql_where=text("finished_at IS NOT NULL"),
    ),
)

# How many finished runs were created in each period: by type and bucket, by initiator, and by all
# three. A trigger keeps the counts (migration 0008). A column that does not group has an empty
# value. The name is null if the counted runs have several.
run_count = Table(
    "run_count",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant_feed.c.tenant_id, ondelete="CASCADE")),
    Column("grouped_by", Text),
    Column("hours", Integer, autoincrement=False),
    Column("begins_at", _timestamp),
    Column("run_type", Text),
    Column("status_bucket", Text),
    Column("initiator_id", Uuid),
    Column("initiator_name", Text),
    Column("runs", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        *("tenant_id", "grouped_by", "hours", "begins_at"),
        *("run_type", "status_bucket", "initiator_id"),
    ),
)


def _of_run() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "run_id"],
        [operation_run.c.tenant_id, operation_run.c.id],
        ondelete="CASCADE",
    )


run_item = Table(
    "run_item",
    metadata,
    Column("tenant_id", Uuid),
    Column("run_id", Uuid),
    Column("item_key", Text),
    Column("outcome", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("recorded_at", _timestamp, nullable=False, server_default=_now),
    Column("skip_reason", Text),  # null unless the item was skipped
    PrimaryKeyConstraint("tenant_id", "run_id", "item_key"),
    CheckConstraint("outcome IN ('succeeded', 'failed', 'skipped')", name="outcome"),
    _of_run(),
    # A run of 50,000 items skips few of them, and they are read page by page.
    Index(
        "ix_run_item_skipped",
        *("tenant_id", "run_id", "item_key"),
        postgresql_where=text("outcome = 'skipped'"),
    ),
)

run_failure = Table(
    "run_failure",
    metadata,
    Column("tenant_id", Uuid),
    Column("run_id", Uuid),
    Column("item_key", Text),  # '' when the run failed as a whole
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("error_id", Text),
    Column("attempt", Integer, nullable=False),
    Column("occurred_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "run_id", "item_key"),
    _of_run(),
)

run_event = Table(
    "run_event",
    metadata,
    Column("tenant_id", Uuid),
    Column("seq", BigInteger),
    Column("run_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_bucket", Text, nullable=False),
    Column("previous_bucket", Text),
    Column("total", Integer),
    Column("succeeded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started_at", _timestamp),
    Column("finished_at", _timestamp),
    Column("occurred_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "seq"),
    UniqueConstraint("tenant_id", "run_id", "version"),
    _of_run(),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("run_type", Text, nullable=False),
    # Infinity if no worker knows the run type.
    Column("not_before", _timestamp, nullable=False, server_default=_now),
    # Set if the process that started the run, or made room for it, sends the message itself.
    Column("sent_at", _timestamp),
    # Whether a worker has the run, so that maintenance can delete the sent entry.
    Column("is_claimed", Boolean, nullable=False, server_default=text("false")),
    _of_run(),
    UniqueConstraint("tenant_id", "run_id"),
    Index(None, "tenant_id", "not_before", "id"),
    Index("ix_outbox_sent", "tenant_id", postgresql_where=text(SENT_SQL)),
    Index("ix_outbox_claimed", "id", postgresql_where=text("is_claimed")),
    Index("ix_outbox_parked", "run_type", postgresql_where=text(PARKED_SQL)),
)

# The run types that workers know, and when one of them was last running. They belong to no tenant.
worker_run_type = Table(
    "worker_run_type",
    metadata,
    Column("run_type", Text, primary_key=True),
    Column("seen_at", _timestamp, nullable=False),
)

# The requests to other services by second, as arrays, for all processes together. It belongs to no
# tenant, because tenants may share an app.
request_budget = Table(
    "request_budget",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("area", Text, primary_key=True),
    Column("seconds", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("counts", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    Column("is_taken", Boolean, nullable=False, server_default=text("false")),
    Column("closed_until", _timestamp, nullable=False, server_default=text("'-infinity'")),
)

notification = Table(
    "notification",
    metadata,
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("recipient_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    Column("read_at", _timestamp),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "run_id", "recipient_id", "outcome"),
    Index(None, "tenant_id", "recipient_id", "seq"),
    _of_run(),
)

inventory_scope = Table(
    "inventory_scope",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE")),
    Column("key", Text),
    Column("last_seen_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "key"),
)

policy_document = Table(
    "policy_document",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE")),
    Column("hash", LargeBinary),
    Column("body", JSONB, nullable=False),
    Column("stored_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "hash"),
)


def _of_document() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["tenant_id", "document_hash"], [policy_document.c.tenant_id, policy_document.c.hash]
    )


inventory_policy = Table(
    "inventory_policy",
    metadata,
    Column("tenant_id", Uuid),
    Column("run_id", Uuid),
    Column("policy_id", Text),
    Column("item_key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("policy_type", Text, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("document_hash", LargeBinary, nullable=False),
    Column("format", Text, nullable=False, server_default="GRAPH_OBJECT"),
    PrimaryKeyConstraint("tenant_id", "run_id", "policy_id"),
    Index(None, "tenant_id", "document_hash"),
    _of_run(),
    _of_document(),
)

drift_finding = Table(
    "drift_finding",
    metadata,
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("run_id", Uuid, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("scope_key", Text, nullable=False),
    Column("baseline_run_id", Uuid, nullable=False),
    Column("current_run_id", Uuid, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_name", Text, nullable=False),
    Column("policy_type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
    Column("found_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "fingerprint"),
    Index(None, "tenant_id", "baseline_run_id", "current_run_id", "id"),
    Index(None, "tenant_id", "run_id"),
    CheckConstraint("kind IN ('ADDED', 'REMOVED', 'MODIFIED')", name="kind"),
    _of_run(),
)

# The position of a tenant's groups at the provider (`domain.groups.models.Position`), and the last
# sync that reached the end. The position's path may be signed, so the API cannot read it.
group_sync = Table(
    "group_sync",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE"), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("path", Text),
    Column("is_full", Boolean, nullable=False),
    Column("has_gaps", Boolean, nullable=False),
    Column("begun_by", Uuid, nullable=False),
    Column("ended_by", Uuid),
    Column("ended_at", _timestamp),
)

# What the provider no longer has is marked as removed, because only maintenance deletes.
directory_group = Table(
    "directory_group",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE")),
    Column("group_id", Text),
    Column("name", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("is_removed", Boolean, nullable=False, server_default=text("false")),
    Column("synced_by", Uuid, nullable=False),
    Column("synced_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "group_id"),
    Index(
        "ix_directory_group_list",
        *("tenant_id", "name", "group_id"),
        postgresql_where=text("NOT is_removed"),
    ),
    Index("ix_directory_group_removed", "tenant_id", postgresql_where=text("is_removed")),
)

group_member = Table(
    "group_member",
    metadata,
    Column("tenant_id", Uuid),
    Column("group_id", Text),
    Column("member_id", Text),
    Column("kind", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("is_removed", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("tenant_id", "group_id", "member_id"),
    Index("ix_group_member_removed", "tenant_id", postgresql_where=text("is_removed")),
    ForeignKeyConstraint(
        ["tenant_id", "group_id"],
        [directory_group.c.tenant_id, directory_group.c.group_id],
        ondelete="CASCADE",
    ),
)

backup_set = Table(
    "backup_set",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenant.c.id, ondelete="CASCADE")),
    Column("id", Uuid),
    Column("name", Text, nullable=False),
    Column("created_by_id", Uuid, nullable=False),
    Column("created_by_name", Text, nullable=False),
    Column("created_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "name"),
)

backup_set_policy = Table(
    "backup_set_policy",
    metadata,
    Column("tenant_id", Uuid),
    Column("backup_set_id", Uuid),
    Column("scope_key", Text),
    Column("policy_id", Text),
    Column("name", Text, nullable=False),
    Column("policy_type", Text, nullable=False),
    Column("document_hash", LargeBinary, nullable=False),
    Column("added_at", _timestamp, nullable=False, server_default=_now),
    PrimaryKeyConstraint("tenant_id", "backup_set_id", "scope_key", "policy_id"),
    Index(None, "tenant_id", "document_hash"),
    ForeignKeyConstraint(
        ["tenant_id", "backup_set_id"],
        [backup_set.c.tenant_id, backup_set.c.id],
        ondelete="CASCADE",
    ),
    _of_document(),
)
