"""The closed enums of the schema: the domain's own, with a description for every value."""

from collections.abc import Mapping
from enum import Enum, EnumMeta, StrEnum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from domain.drift.models import ChangeKind, DriftKind
from domain.errors import UserErrorCode
from domain.lifecycle import StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.failures import FailureReason
from domain.runs.models import RunEventKind, StartOutcome
from domain.tenancy.roles import TenantRole

E = TypeVar("E", bound=EnumMeta)


def _describe(enum: E, description: str, values: Mapping[Enum, str], name: str | None = None) -> E:
    described = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = described.__strawberry_definition__  # type: ignore[attr-defined]
    texts = {member.name: text for member, text in values.items()}
    for value in definition.values:
        value.description = texts.pop(value.name)
    assert not texts
    return described


class FeedChange(StrEnum):
    """How an event moved a run with respect to the subscription's filter."""

    ENTERED = "ENTERED"
    UPDATED = "UPDATED"
    LEFT = "LEFT"


class FeedResetReason(StrEnum):
    """Why a subscriber gets a whole snapshot."""

    SUBSCRIBED = "SUBSCRIBED"
    CURSOR_EXPIRED = "CURSOR_EXPIRED"
    CURSOR_FOREIGN = "CURSOR_FOREIGN"


class InitiatorKind(StrEnum):
    """Who started a run."""

    USER = "USER"
    SYSTEM = "SYSTEM"


_describe(
    StatusBucket,
    "What a run's status and counts mean together.",
    {
        StatusBucket.QUEUED: "It waits for a worker.",
        StatusBucket.RUNNING: "A worker is on it.",
        StatusBucket.SUCCEEDED: "It ended and nothing failed.",
        StatusBucket.PARTIALLY_SUCCEEDED: "It ended; some items failed and some succeeded.",
        StatusBucket.FAILED: "It ended without a success, or an error stopped it.",
    },
)
_describe(
    FailureReason,
    "Why an item, or a run as a whole, failed. Values may be added.",
    {
        FailureReason.INVALID_JSON: "The file is not JSON.",
        FailureReason.INVALID_POLICY: "The JSON is not a policy: something is missing or wrong.",
        FailureReason.INCOMPLETE_POLICY: "The document says itself that a part of it is missing.",
        FailureReason.UNREADABLE_FILE: "The file or folder could not be read.",
        FailureReason.FILE_TOO_LARGE: "The file is larger, or has more values, than a policy may.",
        FailureReason.OUTSIDE_SCOPE: "A link leads out of the scope's folder.",
        FailureReason.DUPLICATE_ID: "Several policies have this id, so none of them is taken.",
        FailureReason.CHANGED_WHILE_READING: "The policy changed during the sync.",
        FailureReason.SCOPE_NOT_FOUND: "The provider has no scope of this key.",
        FailureReason.SCOPE_AMBIGUOUS: "Two folders have the scope's name in two Unicode forms.",
        FailureReason.SCOPE_EMPTY: "The scope had policies before and has none now.",
        FailureReason.INVALID_IGNORE_FILE: "The export's ignore file cannot be used.",
        FailureReason.PROVIDER_UNAVAILABLE: "The provider did not answer.",
        FailureReason.POLICY_NOT_FOUND: "The current snapshot has no such policy.",
        FailureReason.BASELINE_UNAVAILABLE: "A snapshot to compare is gone.",
        FailureReason.BACKUP_SET_NOT_FOUND: "The backup set is gone.",
        FailureReason.TIMEOUT: "The run took longer than it may.",
        FailureReason.QUEUE_TIMEOUT: "No worker took the run in time.",
        FailureReason.WORKER_LOST: "The worker vanished, more often than is tried again.",
        FailureReason.INTERNAL_ERROR: "Something unexpected; the errorId finds it in the log.",
        FailureReason.OTHER: "One that this server does not know yet, as while Opsrun is updated.",
    },
)
_describe(
    TenantRole,
    "A user's role in a tenant; each may do all that the ones before it may.",
    {
        TenantRole.READONLY: "May look at everything and start nothing.",
        TenantRole.OPERATOR: "May also start syncs, drift generation and backups.",
        TenantRole.MANAGER: "May also create backup sets.",
        TenantRole.OWNER: "May also change the tenant's settings.",
    },
)
_describe(
    StartOutcome,
    "Whether a start made a new run.",
    {
        StartOutcome.CREATED: "A new run was queued.",
        StartOutcome.REUSED_ACTIVE: "The same work is already queued or running: here it is.",
    },
)
_describe(
    RunEventKind,
    "What happened to a run.",
    {
        RunEventKind.QUEUED: "It was started and waits for a worker.",
        RunEventKind.STARTED: "A worker took it.",
        RunEventKind.PROGRESSED: "Its counts moved forward.",
        RunEventKind.REQUEUED: "It waits for another worker.",
        RunEventKind.FINISHED: "It ended.",
        RunEventKind.OTHER: "Something that this server does not know yet, as while Opsrun is"
        " updated. The run beside it is right.",
    },
    name="RunEventKind",
)
_describe(
    DriftKind,
    "What happened to a policy since the baseline.",
    {
        DriftKind.ADDED: "It is new.",
        DriftKind.REMOVED: "It is gone.",
        DriftKind.MODIFIED: "Its settings changed.",
    },
)
_describe(
    ChangeKind,
    "What happened to a setting of a policy.",
    {
        ChangeKind.ADDED: "It is new; `old` is null.",
        ChangeKind.REMOVED: "It is gone; `new` is null.",
        ChangeKind.CHANGED: "Its value changed.",
        ChangeKind.REORDERED: "The members that both lists have stand in another order.",
    },
    name="SettingChangeKind",
)
_describe(
    NotificationOutcome,
    "What a notification tells.",
    {
        NotificationOutcome.QUEUED: "The run waits for a worker.",
        NotificationOutcome.SUCCEEDED: "The run succeeded.",
        NotificationOutcome.PARTIALLY_SUCCEEDED: "The run succeeded in part.",
        NotificationOutcome.FAILED: "The run failed.",
    },
)
_describe(
    UserErrorCode,
    "What a user can mend. Values may be added.",
    {
        UserErrorCode.INVALID_SCOPE_KEY: "The scope key has a form that no scope has.",
        UserErrorCode.UNKNOWN_SCOPE: "The tenant has no scope of this key.",
        UserErrorCode.NOT_ENOUGH_SNAPSHOTS: "The scope needs two whole syncs first.",
        UserErrorCode.BACKUP_SET_NOT_FOUND: "There is no such backup set.",
        UserErrorCode.INVALID_NAME: "The name is empty, too long or not printable.",
        UserErrorCode.NAME_TAKEN: "Another one has this name.",
        UserErrorCode.NO_POLICIES: "No policy was chosen.",
        UserErrorCode.TOO_MANY_POLICIES: "More policies than one run takes.",
        UserErrorCode.INVALID_RETENTION: "The number of days is out of range.",
        UserErrorCode.TOO_MANY_ACTIVE_RUNS: (
            "The tenant has as many queued and running runs as it may; try again later."
        ),
    },
)
_describe(
    FeedChange,
    "How an event moved a run with respect to the subscription's filter.",
    {
        FeedChange.ENTERED: "It matches now and did not before: add it to the list.",
        FeedChange.UPDATED: "It matched before and still does: replace it in the list.",
        FeedChange.LEFT: "It matched before and does no more: take it from the list.",
    },
)
_describe(
    FeedResetReason,
    "Why a subscriber gets a whole snapshot instead of the events since its cursor.",
    {
        FeedResetReason.SUBSCRIBED: "The subscription began without a cursor.",
        FeedResetReason.CURSOR_EXPIRED: "Events after the cursor are not kept any more.",
        FeedResetReason.CURSOR_FOREIGN: "The cursor belongs to another feed, or to its past life.",
    },
)
_describe(
    InitiatorKind,
    "Who started a run.",
    {InitiatorKind.USER: "A person.", InitiatorKind.SYSTEM: "The product itself."},
)
