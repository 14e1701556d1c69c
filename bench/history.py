"""A tenant's history in SQL: set-based, reproducible, and with known hard cases.

A run's number, from 1 (the oldest) to the tenant's count, determines its columns.
Rare values occur as often in a small tenant as in a large one, so that both fill
their pages and their times can be compared.
"""

from datetime import timedelta
from hashlib import md5
from uuid import UUID

from domain.tenancy.models import SYSTEM_INITIATOR_ID

LENGTH = timedelta(days=60)
# Starts two fifths of all runs.
SYSTEM = 0
RARE = 120
SCOPES = 20
RARE_TYPE = "restore.execute"
# Common, yet never PARTIALLY_SUCCEEDED: a filter by both must search and return nothing.
NEVER_PARTIAL_TYPE = "drift.generate"
FEW_RUNS_INITIATOR = 198
# Active for a day a month ago, and not since.
DEPARTED_INITIATORS = (199, 200)
# That of people: services have another one.
_VERSION = "5"


def run_id(tenant_id: UUID, number: int) -> UUID:
    """Return the id of a run."""
    return _id("run", tenant_id, number)


def initiator_id(tenant_id: UUID, number: int) -> UUID:
    """Return the id of one of the 200 initiators, or of SYSTEM."""
    return SYSTEM_INITIATOR_ID if number == SYSTEM else _id("initiator", tenant_id, number)


def _id(kind: str, tenant_id: UUID, number: int) -> UUID:
    digest = md5(f"{kind} {tenant_id} {number}".encode(), usedforsecurity=False).hexdigest()
    return UUID(digest[:12] + _VERSION + digest[13:])


def _id_sql(kind: str, number: str) -> str:
    digest = f"md5('{kind} ' || CAST(:tenant AS text) || ' ' || ({number}))"
    return f"overlay({digest} PLACING '{_VERSION}' FROM 13)::uuid"


RUNS = f"""
INSERT INTO opsrun.operation_run (
    tenant_id, id, resource, action, idempotency_key, status, version, total, succeeded, failed,
    initiator_id, initiator_name, context, subject, attempt, created_at, not_before,
    last_dispatched_at, started_at, finished_at)
SELECT :tenant, {_id_sql("run", "i")}, split_part(run_type, '.', 1), split_part(run_type, '.', 2),
    sha256(i::text::bytea), coalesce(status, 'completed'), 3,
    CASE status WHEN 'completed_with_errors' THEN 10 END,
    CASE status WHEN 'completed_with_errors' THEN 8 ELSE 0 END,
    CASE status WHEN 'completed_with_errors' THEN 2 ELSE 0 END,
    CASE initiator WHEN {SYSTEM} THEN '{SYSTEM_INITIATOR_ID}'
        ELSE {_id_sql("initiator", "initiator")} END,
    CASE initiator WHEN {SYSTEM} THEN 'System' ELSE 'Initiator ' || initiator END,
    CASE run_type
        WHEN 'inventory.sync' THEN jsonb_build_object('scopeKey', scope)
        WHEN '{NEVER_PARTIAL_TYPE}' THEN jsonb_build_object('scopeKey', scope,
            'baselineRunId', {_id_sql("run", "i - 2")}, 'currentRunId', {_id_sql("run", "i - 1")})
        WHEN 'backup_set.add_policies' THEN jsonb_build_object(
            'backupSetId', {_id_sql("set", "0")}, 'policies', '[]'::jsonb)
        ELSE '{{}}' END,
    scope, 1, at, at, at, at + interval '1 s', at + interval '5 s'
FROM (
    SELECT i, 'scope-' || i % {SCOPES} AS scope,
        now() - make_interval(secs => (:runs - i) * {LENGTH.total_seconds()} / :runs) AS at,
        CASE WHEN i % rare = 8 THEN '{RARE_TYPE}'
            WHEN i % rare = 3 OR kind < 50 THEN 'inventory.sync'
            WHEN kind < 80 THEN '{NEVER_PARTIAL_TYPE}'
            WHEN kind < 95 THEN 'backup_set.add_policies'
            ELSE 'access.review' END AS run_type,
        CASE WHEN i % rare = 3 THEN 'failed'
            WHEN kind IN (7, 81) AND i % rare <> 8 THEN 'completed_with_errors' END AS status,
        CASE WHEN i % rare = 11 THEN {FEW_RUNS_INITIATOR}
            WHEN i > :runs * 0.50 AND i < :runs * 0.52 AND kind % 2 = 0
                THEN {DEPARTED_INITIATORS[0]} + i % 4 / 2
            WHEN kind % 5 < 2 THEN {SYSTEM}
            ELSE i % 197 + 1 END AS initiator
    FROM (SELECT i, :runs / {RARE} AS rare, abs(hashint8(i)::bigint) % 100 AS kind
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) i) numbered
) described
"""
ITEMS = """
INSERT INTO opsrun.run_item (tenant_id, run_id, item_key, outcome, attempt, recorded_at)
SELECT tenant_id, id, 'policy-' || n, CASE WHEN n > 8 THEN 'failed' ELSE 'succeeded' END, 1,
    finished_at
FROM opsrun.operation_run, generate_series(1, 10) n
WHERE tenant_id = :tenant AND status = 'completed_with_errors'
"""
FAILURES = """
INSERT INTO opsrun.run_failure (tenant_id, run_id, item_key, reason, message, attempt, occurred_at)
SELECT tenant_id, run_id, item_key, 'INVALID_POLICY', 'The policy has no name.', 1, recorded_at
FROM opsrun.run_item WHERE tenant_id = :tenant AND outcome = 'failed'
UNION ALL
SELECT tenant_id, id, '', 'PROVIDER_UNAVAILABLE', 'The provider did not answer.', 1, finished_at
FROM opsrun.operation_run WHERE tenant_id = :tenant AND status = 'failed'
"""
EVENTS = """
INSERT INTO opsrun.run_event (
    tenant_id, seq, run_id, version, kind, status, status_bucket, previous_bucket, total,
    succeeded, failed, skipped, attempt, started_at, finished_at, occurred_at)
SELECT tenant_id, (number - 1) * 3 + v, id, v, kind,
    coalesce(as_status, status), coalesce(as_bucket, status_bucket), before,
    CASE v WHEN 3 THEN total END, CASE v WHEN 3 THEN succeeded ELSE 0 END,
    CASE v WHEN 3 THEN failed ELSE 0 END, 0, least(v - 1, 1), CASE WHEN v > 1 THEN started_at END,
    CASE v WHEN 3 THEN finished_at END, created_at + v * interval '1 s'
FROM (SELECT *, row_number() OVER (ORDER BY created_at) AS number
    FROM opsrun.operation_run WHERE tenant_id = :tenant) run
CROSS JOIN (VALUES
    (1, 'RUN_QUEUED', 'pending', 'QUEUED', NULL),
    (2, 'RUN_STARTED', 'running', 'RUNNING', 'QUEUED'),
    (3, 'RUN_FINISHED', NULL, NULL, 'RUNNING')) step(v, kind, as_status, as_bucket, before)
"""
FEED = "UPDATE opsrun.tenant_feed SET seq = :runs * 3 WHERE tenant_id = :tenant"
