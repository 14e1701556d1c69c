"""The enums of the schema, with a description of every value."""

from collections.abc import Mapping
from enum import Enum, EnumMeta, StrEnum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from domain.drift.models import ChangeKind, DriftKind
from domain.errors import UserErrorCode
from domain.lifecycle import StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.failures import FailureReason
from domain.runs.models import RunEventKind, StartOutcome
from domain.tenancy.roles import TenantRole


def _describe(
    enum: EnumMeta, description: str, values: Mapping[Enum, str], name: str | None = None
) -> None:
    described = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = described.__strawberry_definition__  # type: ignore[attr-defined]
    texts = {member.name: text for member, text in values.items()}
    for value in definition.values:
        value.description = texts.pop(value.name)
    assert not texts


class FeedChange(StrEnum):
    """How an event changed whether a run matches the subscription's filter."""

    ENTERED = "ENTERED"
    UPDATED = "UPDATED"
    LEFT = "LEFT"


class FeedResetReason(StrEnum):
    """Why a subscriber receives a snapshot."""

    SUBSCRIBED = "SUBSCRIBED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    CURSOR_FOREIGN = "CURSOR_FOREIGN"


class InitiatorKind(StrEnum):
    """Who started a run."""

    USER = "USER"
    SYSTEM = "SYSTEM"


_describe(
    StatusBucket,
    "The status of a run to show, computed from its stored status and its counts.",
    {
        StatusBucket.QUEUED: "The run waits for a worker.",
        StatusBucket.RUNNING: "A worker is executing the run.",
        StatusBucket.SUCCEEDED: "The run ended, and nothing failed.",
        StatusBucket.PARTIALLY_SUCCEEDED: "The run ended. Some items failed and some succeeded.",
        StatusBucket.FAILED: "The run ended without a success, or an error stopped it.",
    },
)
_describe(
    FailureReason,
    "Why an item, or the run as a whole, failed. New values may be added.",
    {
        FailureReason.INVALID_JSON: "The file is not JSON.",
        FailureReason.INVALID_POLICY: (
            "The JSON is not a valid policy: a required part is missing or wrong."
        ),
        FailureReason.INCOMPLETE_POLICY: "The document is marked as incomplete by its exporter.",
        FailureReason.UNREADABLE_FILE: "The file or folder could not be read.",
        FailureReason.FILE_TOO_LARGE: (
            "The file exceeds the size or the number of values allowed for a policy."
        ),
        FailureReason.OUTSIDE_SCOPE: "A symbolic link points outside the scope's folder.",
        FailureReason.DUPLICATE_ID: "Several policies share this id, so none of them was stored.",
        FailureReason.CHANGED_WHILE_READING: "The policy changed during the sync.",
        FailureReason.SCOPE_NOT_FOUND: "The provider has no scope with this key.",
        FailureReason.SCOPE_AMBIGUOUS: (
            "Two folders have the scope's name in different Unicode forms."
        ),
        FailureReason.SCOPE_EMPTY: (
            "The scope had policies before and has none now. Set `allowEmpty` if that is intended."
        ),
        FailureReason.INVALID_IGNORE_FILE: "The export's ignore file cannot be used.",
        FailureReason.PROVIDER_UNAVAILABLE: "The provider did not respond.",
        FailureReason.POLICY_NOT_FOUND: "The current snapshot has no such policy.",
        FailureReason.BASELINE_UNAVAILABLE: "A snapshot needed for the comparison was deleted.",
        FailureReason.BACKUP_SET_NOT_FOUND: "The backup set was deleted.",
        FailureReason.TIMEOUT: "The run exceeded its time limit.",
        FailureReason.QUEUE_TIMEOUT: "No worker claimed the run in time.",
        FailureReason.WORKER_LOST: "The worker was lost, and the run has no attempts left.",
        FailureReason.INTERNAL_ERROR: (
            "An unexpected error. Look up its `errorId` in the server's log."
        ),
        FailureReason.OTHER: (
            "A reason that this server does not know yet, for example during an upgrade."
        ),
    },
)
_describe(
    TenantRole,
    "A member's role in a tenant. Each role includes the permissions of the roles above it in"
    " this list.",
    {
        TenantRole.READONLY: "Can read everything and start nothing.",
        TenantRole.OPERATOR: "Can also start inventory syncs, drift generation and backups.",
        TenantRole.MANAGER: "Can also create backup sets.",
        TenantRole.OWNER: "Can also change the tenant's settings.",
    },
)
_describe(
    StartOutcome,
    "Whether a start created a new run.",
    {
        StartOutcome.CREATED: "A new run was queued.",
        StartOutcome.REUSED_ACTIVE: (
            "The same work is already queued or running. That run is returned."
        ),
    },
)
_describe(
    RunEventKind,
    "What happened to a run.",
    {
        RunEventKind.QUEUED: "The run was started and waits for a worker.",
        RunEventKind.STARTED: "A worker claimed the run.",
        RunEventKind.PROGRESSED: "The run's counts increased.",
        RunEventKind.REQUEUED: "The run waits for another worker.",
        RunEventKind.FINISHED: "The run ended.",
        RunEventKind.OTHER: (
            "An event that this server does not know yet, for example during an upgrade. The"
            " state of the run is correct."
        ),
    },
    name="RunEventKind",
)
_describe(
    DriftKind,
    "What happened to a policy since the baseline.",
    {
        DriftKind.ADDED: "The policy is new.",
        DriftKind.REMOVED: "The policy was removed.",
        DriftKind.MODIFIED: "The policy's settings changed.",
    },
)
_describe(
    ChangeKind,
    "What happened to a setting of a policy.",
    {
        ChangeKind.ADDED: "The setting is new; `old` is null.",
        ChangeKind.REMOVED: "The setting was removed; `new` is null.",
        ChangeKind.CHANGED: "The setting's value changed.",
        ChangeKind.REORDERED: "The list has the same members in a different order.",
    },
    name="SettingChangeKind",
)
_describe(
    NotificationOutcome,
    "What a notification reports.",
    {
        NotificationOutcome.QUEUED: "The run waits for a worker.",
        NotificationOutcome.SUCCEEDED: "The run succeeded.",
        NotificationOutcome.PARTIALLY_SUCCEEDED: "The run succeeded in part.",
        NotificationOutcome.FAILED: "The run failed.",
    },
)
_describe(
    UserErrorCode,
    "The kind of a user error. New values may be added.",
    {
        UserErrorCode.INVALID_SCOPE_KEY: "The scope key is malformed.",
        UserErrorCode.UNKNOWN_SCOPE: "The tenant has no scope with this key.",
        UserErrorCode.NOT_ENOUGH_SNAPSHOTS: "The scope needs two complete syncs first.",
        UserErrorCode.BACKUP_SET_NOT_FOUND: "The backup set does not exist.",
        UserErrorCode.INVALID_NAME: (
            "The name is empty, too long or has characters that cannot be printed."
        ),
        UserErrorCode.NAME_TAKEN: "The name is already in use.",
        UserErrorCode.NO_POLICIES: "No policies were given.",
        UserErrorCode.TOO_MANY_POLICIES: "There are more policies than one run can copy.",
        UserErrorCode.INVALID_RETENTION: "The number of days is out of range.",
        UserErrorCode.TOO_MANY_ACTIVE_RUNS: (
            "The tenant has reached its limit of queued and running runs. Try again later."
        ),
    },
)
_describe(
    FeedChange,
    "How an event changed whether a run matches the subscription's filter.",
    {
        FeedChange.ENTERED: "The run now matches: add it to the list.",
        FeedChange.UPDATED: "The run still matches: replace it in the list.",
        FeedChange.LEFT: "The run no longer matches: remove it from the list.",
    },
)
_describe(
    FeedResetReason,
    "Why a subscriber receives a snapshot instead of the events after its cursor.",
    {
        FeedResetReason.SUBSCRIBED: "The subscription started without a cursor.",
        FeedResetReason.CURSOR_EXPIRED: "Events after the cursor have been deleted.",
        FeedResetReason.CURSOR_FOREIGN: (
            "The cursor belongs to another feed, or the feed was restored from a backup since."
        ),
    },
)
_describe(
    InitiatorKind,
    "Who started a run.",
    {InitiatorKind.USER: "A person.", InitiatorKind.SYSTEM: "The system."},
)
