"""A field of the tenant and a mutation. Nothing here checks who asks."""

from typing import Annotated

import strawberry
from strawberry import argument, field

from opsrun.graphql import MEMBERS, Parent, SchemaPart, TenantAccess

SECRET = "report-server-secret"


@strawberry.type(description="A report.")
class Report:
    title: str = field(description="The title.")
    tenant_slug: str = field(description="The slug of its tenant.")


@strawberry.type
class TenantReports:
    @field(description="The reports about an object.", metadata={MEMBERS: 5})
    def reports(
        self,
        root: Parent[TenantAccess],
        run_id: Annotated[strawberry.ID, argument(description="The run that they are about.")],
    ) -> list[Report]:
        return [Report(title=f"About {run_id}", tenant_slug=root.tenant.slug)]

    @field(description="The number of reports.")
    def report_count(
        self, fails: Annotated[bool, argument(description="Whether to fail.")] = False
    ) -> int:
        if fails:
            raise RuntimeError(f"password={SECRET}")
        return 1


@strawberry.input(description="The report to archive.")
class ArchiveReportInput:
    tenant_id: strawberry.ID = field(description="The id of the tenant.")
    run_id: strawberry.ID = field(description="The run that wrote it.")
    title: str = field(description="The title.")


@strawberry.type(description="The result of `archiveReport`.")
class ArchiveReportPayload:
    title: str = field(description="The archived report's title.")


archived: list[str] = []


@strawberry.type
class ReportMutations:
    @strawberry.mutation(description="Archive a report.")
    async def archive_report(
        self,
        input: Annotated[ArchiveReportInput, argument(description="The report to archive.")],  # noqa: A002
    ) -> ArchiveReportPayload:
        archived.append(input.title)
        return ArchiveReportPayload(title=input.title)


PART = SchemaPart(tenant=TenantReports, mutation=ReportMutations)
