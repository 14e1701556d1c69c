"""The type of a run, and the answer to a start."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from domain.lifecycle import StatusBucket
from domain.runs import failures, models
from domain.runs.failures import FailureReason
from domain.runs.models import StartOutcome
from domain.runs.repository import reading
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.pages import (
    DEFAULT_PAGE,
    Connection,
    CursorKind,
    PageRequest,
    cursor_number,
    cursor_text,
)
from gql.runs.details import (
    Initiator,
    RunCounts,
    RunEvent,
    RunFailure,
    RunFailureGroup,
    SkippedItem,
)
from gql.runs.related import RELATED
from gql.user_errors import UserError

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


@strawberry.type(description="One run of a long operation: the canonical record of it.")
class OperationRun(Node):
    access: strawberry.Private[TenantAccess]
    model: strawberry.Private[models.OperationRun]
    run_type: str = strawberry.field(description="`resource.action`, as in `inventory.sync`.")
    resource: str = strawberry.field(description="What is worked on.")
    action: str = strawberry.field(description="What is done with it.")
    status: str = strawberry.field(
        description="The stored status: pending, running, completed, completed_with_errors, failed"
        " or aborted. Switch on `statusBucket` instead."
    )
    status_bucket: StatusBucket = strawberry.field(
        description="What status and counts mean together."
    )
    status_explanation: str = strawberry.field(description="Why it is in this bucket, in words.")
    counts: RunCounts = strawberry.field(description="How many items, and what became of them.")
    progress: float | None = strawberry.field(
        description="Between 0 and 1; null while the total is unknown."
    )
    initiator: Initiator = strawberry.field(description="Who started it.")
    subject: str = strawberry.field(
        description="What the run works on, by name: a scope's key, or a backup set's name."
    )
    context: JSON = strawberry.field(description="The parameters it runs with.")
    attempt: int = strawberry.field(description="How many workers have taken it so far.")
    version: int = strawberry.field(
        description="Rises by one with every event; of two readings the higher one is newer."
    )
    created_at: datetime = strawberry.field(description="When it was queued.")
    started_at: datetime | None = strawberry.field(description="When a worker first took it.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    expires_at: datetime | None = strawberry.field(
        description="When retention may delete it; null before it ended."
    )
    queued_seconds: float = strawberry.field(description="How long it waited, in seconds.")
    running_seconds: float | None = strawberry.field(
        description="How long it has been worked on, in seconds; null before the first start."
    )
    url: str = strawberry.field(description="Its page in the hub.")

    @classmethod
    def of(cls, run: models.OperationRun, access: TenantAccess, info: Info) -> "OperationRun":
        """Return the run as the member sees it."""
        id_ = GlobalId("OperationRun", run.tenant_id, run.id.hex).encode()
        return cls(
            id=id_,
            access=access,
            model=run,
            run_type=run.run_type,
            resource=run.resource,
            action=run.action,
            status=run.status.value,
            status_bucket=run.status_bucket,
            status_explanation=run.status_explanation,
            counts=RunCounts.of(run.counts),
            progress=run.progress,
            initiator=Initiator.of(run.initiator, run.tenant_id),
            subject=run.subject,
            context=cast("JSON", run.context),
            attempt=run.attempt,
            version=run.version,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            expires_at=run.expires_at,
            queued_seconds=run.queued_seconds,
            running_seconds=run.running_seconds,
            url=info.context.links.run(access.tenant.slug, id_),
        )

    @strawberry.field(description="The tenant it belongs to.")
    def tenant(self) -> Annotated["Tenant", strawberry.lazy("gql.tenant")]:
        return cast("Tenant", self.access)

    @strawberry.field(description="How many failures there are in all.")
    async def failure_count(self, info: Info) -> int:
        return sum(group.count for group in await self._groups(info))

    @strawberry.field(description="The failures: first that of the run as a whole, then by item.")
    async def failures(
        self,
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        reason_codes: Annotated[
            list[FailureReason] | None,
            strawberry.argument(description="Only failures for these reasons."),
        ] = UNSET,
    ) -> Connection[RunFailure]:
        failures = FAILURES.of(self.model.id)
        request = PageRequest(info.context, self.access, failures, first, after)
        return await request.load(
            reading.failures,
            self.model.id,
            reasons=frozenset(reason_codes or ()),
            node=RunFailure.of,
        )

    @strawberry.field(description="The items that were skipped and why, by item.")
    async def skipped_items(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[SkippedItem]:
        skipped = SKIPPED.of(self.model.id)
        request = PageRequest(info.context, self.access, skipped, first, after)
        return await request.load(
            reading.skipped,
            self.model.id,
            node=lambda row: SkippedItem(item_key=row.key, reason=row.reason),
        )

    @strawberry.field(description="The failures counted by reason, the most frequent first.")
    async def failure_groups(self, info: Info) -> list[RunFailureGroup]:
        return await self._groups(info)

    @strawberry.field(description="The timeline, oldest first.")
    async def events(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[RunEvent]:
        events = EVENTS.of(self.model.id)
        request = PageRequest(info.context, self.access, events, first, after)
        return await request.load(reading.events, self.model.id, node=RunEvent.of)

    @strawberry.field(description="What the run worked on or produced.")
    async def related(
        self, info: Info
    ) -> list[Annotated["RelatedResource", strawberry.lazy("gql.related")]]:
        find = RELATED.get(self.run_type)
        resource = await find(self.model, self.access, info) if find else None
        return [cast("RelatedResource", resource)] if resource else []

    async def _groups(self, info: Info) -> list[RunFailureGroup]:
        groups = await info.context.load(reading.failure_groups, self.access, self.model.id)
        return [
            RunFailureGroup(
                reason_code=group.reason,
                count=group.count,
                retryable=group.retryable,
                example_message=group.example_message,
            )
            for group in groups or ()
        ]


@strawberry.type(description="The result of a start: a run, or errors that the user can fix.")
class StartRunPayload:
    run: OperationRun | None = strawberry.field(description="The run; null with user errors.")
    outcome: StartOutcome | None = strawberry.field(
        description="Whether the run is new; null with user errors."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Errors the user can fix; empty on success."
    )

    @classmethod
    def of(cls, started: models.StartedRun, access: TenantAccess, info: Info) -> "StartRunPayload":
        """Return the payload of a successful start."""
        return cls(
            run=OperationRun.of(started.run, access, info), outcome=started.outcome, user_errors=[]
        )
