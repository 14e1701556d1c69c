"""What another package needs to add fields and mutations to the schema.

    @strawberry.type
    class TenantReports:
        @field(description="The number of reports.")
        async def report_count(self, root: Parent[TenantAccess]) -> int:
            return await count_reports(root.tenant.slug)

    PART = SchemaPart(tenant=TenantReports)

`opsrun.producers` has what a run type needs. Announce the part by an entry point of the group
`opsrun.schema`; see docs/producers.md.
"""

from strawberry import Parent

from domain.tenancy.models import TenantAccess
from gql.context import Info
from gql.limits.cost import COST, MEMBERS
from gql.parts import SchemaPart
from gql.runs.mutations import StartRunPayload, start_run
from gql.user_errors import UserError

__all__ = [
    "COST",
    "MEMBERS",
    "Info",
    "Parent",
    "SchemaPart",
    "StartRunPayload",
    "TenantAccess",
    "UserError",
    "start_run",
]
