"""The type of a run, and the answer to a start."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from domain.lifecycle import StatusBucket
from domain.runs import models
from domain.runs.failures import FailureReason
from domain.runs.models import StartOutcome
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.ids import GlobalId, Node
from gql.pages import DEFAULT_PAGE, Connection, Cursor, cursor_number, forward_page, page_size
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


@strawberry.type(description="One run of a long operation: the canonical record of it.")
class OperationRun(Node):
    """GraphQL form of `domain.runs.models.OperationRun`."""

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
    attempt: int = strawberry.field(description="How many workers took it so far.")
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
        """Wrap a run of the tenant that `access` leads to."""
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
        size = page_size(first)
        kind = f"failures {self.model.id.hex}"
        start = after and await info.context.place(after, kind, self.access.tenant_id, str)
        rows = await info.context.load(
            info.context.cases.runs.failures,
            self.access,
            self.model.id,
            after=start[0] if start else None,
            reasons=frozenset(reason_codes or ()),
            limit=size + 1,
        )
        return forward_page(
            rows or (),
            size,
            after=after,
            node=RunFailure.of,
            cursor=lambda row: self._cursor(kind, row.item_key or ""),
        )

    @strawberry.field(description="The items that were skipped and why, by item.")
    async def skipped_items(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[SkippedItem]:
        size = page_size(first)
        kind = f"skipped {self.model.id.hex}"
        start = after and await info.context.place(after, kind, self.access.tenant_id, str)
        rows = await info.context.load(
            info.context.cases.runs.skipped,
            self.access,
            self.model.id,
            after=start[0] if start else None,
            limit=size + 1,
        )
        return forward_page(
            rows or (),
            size,
            after=after,
            node=lambda row: SkippedItem(item_key=row.key, reason=row.reason),
            cursor=lambda row: self._cursor(kind, row.key),
        )

    @strawberry.field(description="The failures counted by reason, the most frequent first.")
    async def failure_groups(self, info: Info) -> list[RunFailureGroup]:
        return await self._groups(info)

    @strawberry.field(description="The timeline, oldest first.")
    async def events(
        self, info: Info, first: First = DEFAULT_PAGE, after: After = UNSET
    ) -> Connection[RunEvent]:
        size = page_size(first)
        kind = f"events {self.model.id.hex}"
        start = after and await info.context.place(
            after, kind, self.access.tenant_id, cursor_number(31)
        )
        rows = await info.context.load(
            info.context.cases.runs.events,
            self.access,
            self.model.id,
            after_version=start[0] if start else 0,
            limit=size + 1,
        )
        return forward_page(
            rows or (),
            size,
            after=after,
            node=RunEvent.of,
            cursor=lambda row: self._cursor(kind, row.run.version),
        )

    @strawberry.field(description="What the run worked on or brought about.")
    async def related(
        self, info: Info
    ) -> list[Annotated["RelatedResource", strawberry.lazy("gql.related")]]:
        find = RELATED.get(self.run_type)
        resource = await find(self.model, self.access, info) if find else None
        return [cast("RelatedResource", resource)] if resource else []

    async def _groups(self, info: Info) -> list[RunFailureGroup]:
        groups = await info.context.load(
            info.context.cases.runs.failure_groups, self.access, self.model.id
        )
        return [
            RunFailureGroup(
                reason_code=group.reason,
                count=group.count,
                retryable=group.retryable,
                example_message=group.example_message,
            )
            for group in groups or ()
        ]

    def _cursor(self, kind: str, value: str | int) -> str:
        return Cursor(kind, self.access.tenant_id, (value,)).encode()


@strawberry.type(description="The answer to a start: a run, or what to mend.")
class StartRunPayload:
    """What every start mutation returns."""

    run: OperationRun | None = strawberry.field(description="The run; null with user errors.")
    outcome: StartOutcome | None = strawberry.field(
        description="Whether the run is new; null with user errors."
    )
    user_errors: list[UserError] = strawberry.field(description="What to mend; empty on success.")

    @classmethod
    def of(cls, started: models.StartedRun, access: TenantAccess, info: Info) -> "StartRunPayload":
        """Wrap the ledger's answer."""
        return cls(
            run=OperationRun.of(started.run, access, info), outcome=started.outcome, user_errors=[]
        )
