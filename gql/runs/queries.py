"""The monitoring hub's part of a tenant: the list of runs and its facets (H1, H4)."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.errors import BadInputError
from domain.lifecycle import StatusBucket
from domain.runs.models import OperationRun as Run
from domain.runs.repository.facets import INITIATOR_LIMIT
from domain.runs.repository.reading import Keyset
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import refusal, start_permission
from gql.arguments import After, First
from gql.context import Info
from gql.limits.cost import COST, MEMBERS
from gql.pages import (
    DEFAULT_PAGE,
    Connection,
    Cursor,
    backward_page,
    forward_page,
    page_size,
)
from gql.runs.details import Initiator
from gql.runs.filters import OperationRunFilter, run_filter
from gql.runs.types import OperationRun
from gql.scalars import moment

Filter = Annotated[
    OperationRunFilter | None, strawberry.argument(description="Which runs; all if not given.")
]


@strawberry.type(description="How many runs are in a bucket.")
class StatusBucketCount:
    """One facet by bucket."""

    status_bucket: StatusBucket = strawberry.field(description="The bucket.")
    count: int = strawberry.field(description="How many runs of the filter are in it.")


@strawberry.type(description="How many runs are of a type.")
class RunTypeCount:
    """One facet by type."""

    run_type: str = strawberry.field(description="The type.")
    count: int = strawberry.field(description="How many runs of the filter are of it.")


@strawberry.type(description="How many runs an initiator started.")
class InitiatorCount:
    """One facet by initiator."""

    initiator: Initiator = strawberry.field(
        description="The initiator, under the name of their newest run of the filter."
    )
    count: int = strawberry.field(description="How many runs of the filter they started.")


@strawberry.type(description="The counts that a filter bar needs, within the same filter.")
class OperationRunFacets:
    """GraphQL form of `domain.runs.models.RunFacets`."""

    by_status_bucket: list[StatusBucketCount] = strawberry.field(
        description="Every bucket, empty ones too."
    )
    by_run_type: list[RunTypeCount] = strawberry.field(description="Every type that occurs.")
    by_initiator: list[InitiatorCount] = strawberry.field(
        description=f"The {INITIATOR_LIMIT} initiators with the most runs, in that order.",
        metadata={MEMBERS: INITIATOR_LIMIT},
    )
    truncated: bool = strawberry.field(
        description="Whether only the newest 100,000 runs of the filter were counted."
    )
    created_from: datetime = strawberry.field(description="Where the window begins.")


@strawberry.type(description="Whether the caller may start runs of a type.")
class StartPermission:
    """For buttons: hide or explain them."""

    allowed: bool = strawberry.field(description="Whether a start would be let in.")
    reason: str | None = strawberry.field(description="Why not, in words; null when allowed.")


@strawberry.type
class TenantRuns:
    """The fields of Tenant about runs."""

    @strawberry.field(description="The runs, newest first.")
    async def operation_runs(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        last: Annotated[
            int | None, strawberry.argument(description="How many at most, from the end.")
        ] = UNSET,
        before: Annotated[
            str | None, strawberry.argument(description="Only those before this cursor.")
        ] = UNSET,
        filter: Filter = UNSET,  # noqa: A002
    ) -> Connection[OperationRun]:
        last = None if last is UNSET else last
        backward = last is not None or bool(before)
        if backward and after:
            raise BadInputError("Page either forward (first, after) or backward (last, before).")
        size = page_size(first if last is None else last)
        cursor = before if backward else after
        start = cursor and await info.context.place(cursor, "runs", root.tenant_id, moment, UUID)
        rows = await info.context.cases.runs.page(
            root,
            await run_filter(filter, root, info.context),
            Keyset(size + 1, (start[0], start[1]) if start else None, backward),
        )

        def node(run: Run) -> OperationRun:
            return OperationRun.of(run, root, info)

        if backward:
            return backward_page(rows, size, before=before, node=node, cursor=_cursor)
        return forward_page(rows, size, after=after, node=node, cursor=_cursor)

    @strawberry.field(
        description="How many runs of the filter are in each bucket, of each type, by initiator.",
        metadata={COST: 25},
    )
    async def operation_run_facets(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        filter: Filter = UNSET,  # noqa: A002
    ) -> OperationRunFacets:
        wanted = await run_filter(filter, root, info.context)
        facets = await info.context.cases.runs.facets(root, wanted)
        return OperationRunFacets(
            by_status_bucket=[
                StatusBucketCount(status_bucket=bucket, count=count)
                for bucket, count in facets.by_bucket.items()
            ],
            by_run_type=[
                RunTypeCount(run_type=run_type, count=count)
                for run_type, count in facets.by_run_type.items()
            ],
            by_initiator=[
                InitiatorCount(initiator=Initiator.of(initiator, root.tenant_id), count=count)
                for initiator, count in facets.by_initiator.items()
            ],
            truncated=facets.truncated,
            created_from=wanted.created_from,
        )

    @strawberry.field(description="Whether the caller may start runs of a type, and why not.")
    def viewer_can_start(
        self,
        root: strawberry.Parent[TenantAccess],
        run_type: Annotated[str, strawberry.argument(description="The type, as `inventory.sync`.")],
    ) -> StartPermission:
        reason = refusal(root.role, start_permission(run_type))
        return StartPermission(allowed=reason is None, reason=reason)


def _cursor(run: Run) -> str:
    return Cursor("runs", run.tenant_id, (run.created_at.isoformat(), run.id.hex)).encode()
