"""The enums of the schema, with a description of every value."""

from enum import EnumMeta, StrEnum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from domain.drift.models import ChangeKind, DriftKind
from domain.errors import UserErrorCode
from domain.groups.models import GroupMemberKind
from domain.inventory.models import PolicyFormat
from domain.lifecycle import StatusBucket
from domain.notifications.models import NotificationOutcome
from domain.runs.models import RunEventKind, StartOutcome
from domain.tenancy.models import InitiatorKind
from domain.tenancy.providers import ProviderKind
from domain.tenancy.roles import TenantRole


def _describe(enum: EnumMeta, description: str, name: str | None = None, **values: str) -> None:
    """Describe an enum and each of its values, by their names."""
    described = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = described.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values.pop(value.name)
    assert not values


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


_describe(
    StatusBucket,
    "The status of a run to show, computed from its stored status and its counts.",
    QUEUED="The run waits for a worker.",
    RUNNING="A worker is executing the run.",
    SUCCEEDED="The run ended, and nothing failed.",
    PARTIALLY_SUCCEEDED="The run ended. Some items failed and some succeeded.",
    FAILED="The run ended without a success, or an error stopped it.",
)
_describe(
    ProviderKind,
    "Where a tenant's policies are read from. New values may be added.",
    DIRECTORY="A folder of exported files.",
    GRAPH="Microsoft Graph.",
)
_describe(
    PolicyFormat,
    "The format in which a policy was exported.",
    GRAPH_OBJECT="An object of Graph with its id and type, as IntuneManagement writes it.",
    PORTAL="An answer of Graph whose context names the type, as the portal exports it.",
    INTUNE_CD_JSON="An object of Graph without its id, as IntuneCD writes it.",
    INTUNE_CD_YAML="A YAML file, as IntuneCD writes it.",
    CIPP="A template of CIPP.",
)
_describe(
    TenantRole,
    "A member's role in a tenant. Each role includes the permissions of the roles above it in this"
    " list.",
    READONLY="Can read everything and start nothing.",
    OPERATOR="Can also start syncs of inventories and groups, drift generation and backups.",
    MANAGER="Can also create backup sets.",
    OWNER="Can also change the tenant's settings.",
)
_describe(
    StartOutcome,
    "Whether a start created a new run.",
    CREATED="A new run was queued.",
    REUSED_ACTIVE="The same work is already queued or running. That run is returned.",
)
_describe(
    RunEventKind,
    "What happened to a run.",
    QUEUED="The run was started and waits for a worker.",
    STARTED="A worker claimed the run.",
    PROGRESSED="The run's counts increased.",
    REQUEUED="The run waits for another worker.",
    FINISHED="The run ended.",
    OTHER="An event that this server does not know yet, for example during an upgrade. The state"
    " of the run is correct.",
)
_describe(
    DriftKind,
    "What happened to a policy since the baseline.",
    ADDED="The policy is new.",
    REMOVED="The policy was removed.",
    MODIFIED="The policy's settings changed.",
)
_describe(
    ChangeKind,
    "What happened to a setting of a policy.",
    name="SettingChangeKind",
    ADDED="The setting is new; `old` is null.",
    REMOVED="The setting was removed; `new` is null.",
    CHANGED="The setting's value changed.",
    REORDERED="The list has the same elements in a different order.",
)
_describe(
    GroupMemberKind,
    "What a member of a group is. New values may be added.",
    USER="A user.",
    DEVICE="A device.",
    GROUP="Another group.",
    SERVICE_PRINCIPAL="An app.",
    CONTACT="A contact of the organization.",
    OTHER="Something else.",
)
_describe(
    NotificationOutcome,
    "What a notification reports.",
    QUEUED="The run waits for a worker.",
    SUCCEEDED="The run succeeded.",
    PARTIALLY_SUCCEEDED="The run succeeded in part.",
    FAILED="The run failed.",
)
_describe(
    UserErrorCode,
    "The kind of a user error. New values may be added.",
    INVALID_SCOPE_KEY="The scope key is malformed.",
    UNKNOWN_SCOPE="The tenant has no scope with this key.",
    NOT_ENOUGH_SNAPSHOTS="The scope needs two complete syncs first.",
    BACKUP_SET_NOT_FOUND="The backup set does not exist.",
    INVALID_NAME="The name is empty, too long or has characters that cannot be printed.",
    NAME_TAKEN="The name is already in use.",
    NO_POLICIES="No policies were given.",
    TOO_MANY_POLICIES="There are more policies than one run can copy.",
    INVALID_RETENTION="The number of days is out of range.",
    TOO_MANY_ACTIVE_RUNS="The tenant has reached its limit of queued and running runs. Try again"
    " later.",
    UNKNOWN_RUN_TYPE="This installation has no such run type.",
    INVALID_CONTEXT="A value of the context does not fit the run type's `contextSchema`.",
    GRAPH_REQUIRED="The tenant's provider is not Microsoft Graph.",
)
_describe(
    FeedChange,
    "How an event changed whether a run matches the subscription's filter.",
    ENTERED="The run now matches: add it to the list.",
    UPDATED="The run still matches: replace it in the list.",
    LEFT="The run no longer matches: remove it from the list.",
)
_describe(
    FeedResetReason,
    "Why a subscriber receives a snapshot instead of the events after its cursor.",
    SUBSCRIBED="The subscription started without a cursor.",
    CURSOR_EXPIRED="Events after the cursor have been deleted.",
    CURSOR_FOREIGN="The cursor belongs to another feed, or the feed was restored from a backup"
    " since.",
)
_describe(
    InitiatorKind,
    "Who started a run, or who is calling. New values may be added.",
    USER="A person.",
    SERVICE="A program that signs in as itself, not for a person.",
    SYSTEM="The system.",
)
