"""The fields of a tenant about drift."""

from typing import Annotated

import strawberry
from strawberry import UNSET, argument, field

from domain.drift.models import RUN_TYPE, Comparison
from domain.errors import BadInputError
from domain.runs.repository.reading import by_ids
from domain.tenancy.models import TenantAccess
from gql.arguments import After, First
from gql.context import Info
from gql.drift.types import DriftFinding, Kinds, findings_page
from gql.pages import DEFAULT_PAGE, Connection, page_of


@strawberry.type
class TenantDrift:
    @field(description="The findings of one drift run, sorted by policy name.")
    async def drift_findings(
        self,
        root: strawberry.Parent[TenantAccess],
        info: Info,
        run_id: Annotated[
            strawberry.ID,
            argument(description="The id of a run of type `drift.generate`."),
        ],
        kinds: Kinds = UNSET,
        first: First = DEFAULT_PAGE,
        after: After = UNSET,
    ) -> Connection[DriftFinding]:
        access, decoded = await info.context.locate(run_id, "OperationRun")
        if access.tenant_id != root.tenant_id:
            raise BadInputError("The run belongs to another tenant.")
        key = decoded.uuid_key()
        run = (await info.context.read(by_ids, root, [key])).get(key)
        if run is None:
            return page_of([], 0, is_first=not after, node=DriftFinding.of, cursor=str)
        if run.run_type != RUN_TYPE:
            raise BadInputError(f"A run of type {run.run_type} has no drift findings.")
        comparison = Comparison.of_context(run.context)
        return await findings_page(info, root, comparison, kinds, first, after)
