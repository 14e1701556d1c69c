"""The fields of a tenant about runs: the list of runs and its facets."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET, argument, field

from domain.errors import BadInputError
from domain.lifecycle import StatusBucket
from domain.runs.models import OperationRun as Run
from domain.runs.repository import reading
from domain.runs.repository.facets import INITIATOR_LIMIT, facets
from domain.runs.repository.reading import Keyset
from domain.runs.run_types import run_types
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.limits.cost import COST, MEMBERS
from gql.pages import DEFAULT_PAGE, Connection, CursorKind, cursor_parts, page_of, page_size
from gql.runs.details import Initiator
from gql.runs.filters import OperationRunFilter, run_filter
from gql.runs.run_types import RunTypeDeclaration, StartPermission, start_permission
from gql.runs.types import OperationRun, run_columns
from gql.scalars import moment

RUNS = CursorKind[Run, tuple[datetime, UUID]](
    "runs",
    encode=lambda run: (run.created_at, run.id.hex),
    decode=cursor_parts(moment, UUID),
)
Filter = Annotated[
    OperationRunFilter | None, argument(description="The runs to include. Defaults to all.")
]


@strawberry.type(description="The number of runs in one bucket.")
class StatusBucketCount:
    status_bucket: StatusBucket = field(description="The bucket.")
    count: int = field(description="The number of the filter's runs in this bucket.")


@strawberry.type(description="The number of runs of one type.")
class RunTypeCount:
    run_type: str = field(description="The run type.")
    count: int = field(description="The number of the filter's runs of this type.")


@strawberry.type(description="The number of runs that an initiator started.")
class InitiatorCount:
    initiator: Initiator = field(
        description="The initiator, with the name in their newest run of the filter."
    )
    count: int = field(description="The number of the filter's runs that they started.")


@strawberry.type(description="The runs of a filter, counted for a filter bar.")
class OperationRunFacets:
    by_status_bucket: list[StatusBucketCount] = field(
        description="The number of runs in every bucket, including empty ones."
    )
    by_run_type: list[RunTypeCount] = field(
        description="The number of runs of every run type that occurs."
    )
    by_initiator: list[InitiatorCount] = field(
        description=f"The {INITIATOR_LIMIT} initiators with the most runs, in descending order.",
        metadata={MEMBERS: INITIATOR_LIMIT},
    )
    created_from: datetime = field(description="The start of the counted period.")

    @field(
        description="Always false: every run of the filter is counted. Earlier versions counted"
        " only the newest 100,000."
    )
    def truncated(self) -> bool:
        return False


@strawberry.type
class TenantRuns:
    @field(description="The runs, newest first.")
    async def operation_runs(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
        last: Annotated[
            int | None,
            argument(
                description="The maximum number of items to return from the end of the list, at"
                " most 100."
            ),
        ] = UNSET,
        before: Annotated[
            str | None, argument(description="Return the items before this cursor.")
        ] = UNSET,
        filter: Filter = UNSET,  # noqa: A002
    ) -> Connection[OperationRun]:
        last = None if last is UNSET else last
        backward = last is not None or bool(before)
        if backward and after:
            raise BadInputError("Page either forward (first, after) or backward (last, before).")
        size = page_size(first if last is None else last)
        cursor = before if backward else after
        start = None
        if cursor:
            start = await info.context.place(cursor, RUNS, root.tenant_id)
        rows = await info.context.read(
            reading.page,
            root,
            await run_filter(filter, root, info.context),
            Keyset(size + 1, start, backward),
            run_columns(info),
        )

        return page_of(
            rows,
            size,
            is_first=not cursor,
            node=lambda run: OperationRun.of(run, root, info),
            cursor=lambda run: RUNS.cursor(root.tenant_id, run),
            backward=backward,
        )

    @field(
        description="The number of runs of the filter by bucket, type and initiator.",
        metadata={COST: 25},
    )
    async def operation_run_facets(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        filter: Filter = UNSET,  # noqa: A002
    ) -> OperationRunFacets:
        within = await run_filter(filter, root, info.context)
        counted = await info.context.read(facets, root, within)
        return OperationRunFacets(
            by_status_bucket=[
                StatusBucketCount(status_bucket=bucket, count=count)
                for bucket, count in counted.by_bucket.items()
            ],
            by_run_type=[
                RunTypeCount(run_type=run_type, count=count)
                for run_type, count in counted.by_run_type.items()
            ],
            by_initiator=[
                InitiatorCount(initiator=Initiator.of(initiator, root.tenant_id), count=count)
                for initiator, count in counted.by_initiator.items()
            ],
            created_from=within.created_from,
        )

    @field(description="Whether the caller may start runs of a type.")
    def viewer_can_start(
        self,
        root: strawberry.Parent[TenantAccess],
        run_type: Annotated[
            str, argument(description="The run type, for example `inventory.sync`.")
        ],
    ) -> StartPermission:
        return start_permission(root, run_type)

    @field(description="The run types of this installation, sorted by name.")
    def run_types(self, root: strawberry.Parent[TenantAccess]) -> list[RunTypeDeclaration]:
        return [RunTypeDeclaration.of(run_type, root) for run_type in run_types().values()]
