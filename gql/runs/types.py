"""The type of a run."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry
from strawberry import UNSET, argument, field
from strawberry.scalars import JSON

from domain.lifecycle import ACTIVE_STATUSES, StatusBucket
from domain.runs import failures, models
from domain.runs.foreign import context_to_show, links_of
from domain.runs.repository import reading
from domain.runs.repository.waiting import waiting_reasons
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First, plain_text
from gql.context import HubLinks, Info
from gql.ids import Node, encode_id
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, PageRequest, cursor_number, cursor_text
from gql.runs.details import (
    Initiator,
    RunCounts,
    RunEvent,
    RunFailure,
    RunFailureGroup,
    SkippedItem,
)
from gql.runs.related import RELATED
from gql.selection import reads_from, selected_fields

if TYPE_CHECKING:
    from gql.related import RelatedResource
    from gql.tenant import Tenant


FAILURES = CursorKind[failures.RunFailure, str](
    "failures", encode=lambda row: (row.item_key or "",), decode=cursor_text
)
SKIPPED = CursorKind[models.SkippedItem, str](
    "skipped", encode=lambda row: (row.key,), decode=cursor_text
)
EVENTS = CursorKind[models.RunEvent, int](
    "events", encode=lambda row: (row.run.version,), decode=cursor_number(31)
)


@strawberry.type(description="The canonical record of one long-running operation.")
class OperationRun(Node):
    access: strawberry.Private[TenantAccess]
    model: strawberry.Private[models.OperationRun]
    run_type: str = field(
        description="The run type, `resource.action`, for example `inventory.sync`."
    )
    resource: str = field(description="The first part of the run type: the kind of resource.")
    action: str = field(description="The second part of the run type: the action.")
    status: str = field(
        description="The stored status: pending, running, completed, completed_with_errors, failed"
        " or aborted. To decide what to show, use `statusBucket`."
    )
    status_bucket: StatusBucket = field(
        description="The status to show, computed from `status` and `counts`."
    )
    status_explanation: str = field(description="Why the run is in this bucket, as text.")
    counts: RunCounts = field(description="The number of items by outcome.")
    progress: float | None = field(
        description="The share of items processed, from 0 to 1; null while the total is unknown."
    )
    initiator: Initiator = field(description="Who started it.")
    subject: str = field(
        description="The name of what the run works on: a scope's key, or a backup set's name."
    )
    context: JSON = field(description="The run's parameters.")
    attempt: int = field(description="The number of attempts so far.")
    version: int = field(
        description="Increases by one with every event. Of two copies of a run, the one with the"
        " higher version is newer."
    )
    created_at: datetime = field(description="When it was queued.")
    started_at: datetime | None = field(description="When a worker first claimed it.")
    finished_at: datetime | None = field(description="When it ended.")
    expires_at: datetime | None = field(
        description="When retention may delete it; null until it has ended."
    )
    queued_seconds: float = field(description="The time it waited for a worker, in seconds.")
    running_seconds: float | None = field(
        description="The time from the first claim until the run's end, or until now, in seconds;"
        " null before the first claim."
    )
    url: str = field(description="The URL of the run's page in the hub.")

    @field(
        description="Why the run waits, if something is missing: a worker, or an answer of another"
        " service. Null otherwise."
    )
    async def waiting_reason(self, info: Info) -> str | None:
        if self.model.row["status"] not in ACTIVE_STATUSES:
            return None
        return await info.context.load(
            waiting_reasons, self.access, self.model.id, share=info.context.cases.share
        )

    @staticmethod
    def of(run: models.OperationRun, access: TenantAccess, info: Info) -> "OperationRun":
        """Return the run for GraphQL; a field costs something only if it is selected."""
        return _Run(run, access, info.context.links)

    @field(description="The tenant it belongs to.")
    def tenant(self) -> Annotated["Tenant", strawberry.lazy("gql.tenant")]:
        return cast("Tenant", self.access)

    @field(description="The total number of failures.")
    async def failure_count(self, info: Info) -> int:
        return sum(group.count for group in await self.failure_groups(info))

    @field(
        description="The failures. The failure of the run as a whole comes first, then failures"
        " sorted by item."
    )
    async def failures(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        reason_codes: Annotated[
            list[str] | None,
            argument(description="Return only failures with these reasons."),
        ] = UNSET,
    ) -> Connection[RunFailure]:
        request = PageRequest(info.context, self.access, FAILURES.of(self.model.id), first, after)
        return await request.load(
            reading.failures, self.model.id, reasons=frozenset(map(plain_text, reason_codes or ()))
        )

    @field(description="The skipped items with the reason, sorted by item.")
    async def skipped_items(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[SkippedItem]:
        request = PageRequest(info.context, self.access, SKIPPED.of(self.model.id), first, after)
        return await request.load(reading.skipped, self.model.id)

    @field(description="The number of failures by reason, the most frequent first.")
    async def failure_groups(self, info: Info) -> list[RunFailureGroup]:
        groups = await info.context.load(reading.failure_groups, self.access, self.model.id)
        return cast("list[RunFailureGroup]", groups or [])

    @field(description="The run's events, oldest first.")
    async def events(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[RunEvent]:
        request = PageRequest(info.context, self.access, EVENTS.of(self.model.id), first, after)
        return await request.load(reading.events, self.model.id, node=RunEvent.of)

    @field(description="The resources that the run worked on or created.")
    async def related(
        self, info: Info
    ) -> list[Annotated["RelatedResource", strawberry.lazy("gql.related")]]:
        find = RELATED.get(self.run_type)
        if find is None:
            return cast("list[RelatedResource]", links_of(self.model))
        resource = await find(self.model, self.access, info)
        return [cast("RelatedResource", resource)] if resource else []


@reads_from("model")
class _Run(OperationRun):
    def __init__(self, model: models.OperationRun, access: TenantAccess, links: HubLinks) -> None:
        self.model = model
        self.access = access
        self._links = links

    @property
    def id(self) -> strawberry.ID:  # type: ignore[override]  # GraphQL only reads it
        return encode_id("OperationRun", self.model.tenant_id, self.model.id.hex)

    @property
    def status(self) -> str:  # type: ignore[override]
        return self.model.row["status"]  # type: ignore[no-any-return]

    @property
    def initiator(self) -> Initiator:  # type: ignore[override]
        return Initiator.of(self.model.initiator, self.model.tenant_id)

    @property
    def context(self) -> JSON:  # type: ignore[override]
        return cast("JSON", context_to_show(self.model))

    @property
    def url(self) -> str:  # type: ignore[override]
        return self._links.run(self.access.tenant.slug, self.id)


# The columns that a field reads; other fields read none, or the run's id.
_BUCKET = frozenset({"status", "succeeded", "failed"})
_COUNTS = frozenset({"total", "succeeded", "failed", "skipped"})
_TIMES = frozenset({"started_at", "finished_at", "observed_at"})
_COLUMNS = {
    "runType": frozenset({"resource", "action"}),
    "resource": frozenset({"resource"}),
    "action": frozenset({"action"}),
    "status": frozenset({"status"}),
    "waitingReason": frozenset({"status"}),
    "statusBucket": _BUCKET,
    "statusExplanation": _BUCKET,
    "counts": _COUNTS,
    "progress": _COUNTS,
    "initiator": frozenset({"initiator_id", "initiator_name"}),
    "subject": frozenset({"subject"}),
    "context": frozenset({"context", "resource", "action"}),
    "attempt": frozenset({"attempt"}),
    "version": frozenset({"version"}),
    "startedAt": frozenset({"started_at"}),
    "finishedAt": frozenset({"finished_at"}),
    "expiresAt": frozenset({"expires_at"}),
    "queuedSeconds": _TIMES,
    "runningSeconds": _TIMES,
    # Depends on the type of the run.
    "related": models.COLUMNS,
}


def run_columns(info: Info) -> frozenset[str]:
    """Return the columns of runs that the fields below the current one read."""
    return frozenset().union(*(_COLUMNS.get(name, ()) for name in selected_fields(info)))
