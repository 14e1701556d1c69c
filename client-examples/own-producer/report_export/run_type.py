"""The declaration of `report.export`. The API imports it too, so it must be quick to import."""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from opsrun.producers import Link, OperationRun, Parameters, Reason, RunType, TenantRole
from pydantic import Field, StringConstraints

USAGE_UNAVAILABLE = Reason(
    "REPORT_USAGE_UNAVAILABLE",
    "The usage data cannot be read",
    "Check that the usage folder of this tenant is mounted, then start the export again.",
    retryable=True,
)
USAGE_INVALID = Reason(
    "REPORT_USAGE_INVALID",
    "The usage of a department has an invalid line",
    "Correct the line in the department's file, then start the export again.",
)
UNKNOWN_DEPARTMENT = Reason(
    "REPORT_UNKNOWN_DEPARTMENT",
    "No department has this name",
    "Choose an existing department.",
)

# These names become parts of paths, so they contain neither slashes nor dots.
Department = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]


class ExportParameters(Parameters):
    """The parameters of an export; clients and the hub's form read their JSON Schema."""

    month: str = Field(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        title="Month",
        description="The month to report on, such as 2026-11.",
    )
    departments: tuple[Department, ...] = Field(
        default=(),
        max_length=500,
        title="Departments",
        description="Leave it empty to export the reports of all departments.",
    )


def _links(run: OperationRun) -> Sequence[Link]:
    """Link to the folder with the reports, if a web server shows it."""
    url = os.environ.get("REPORT_URL")
    return [] if url is None else [Link("Reports", f"{url}/{run.tenant_id}/{run.subject}/")]


REPORT_EXPORT = RunType(
    name="report.export",
    title="Export usage reports",
    description="Writes a usage report for each department, as a page to open in a browser.",
    least_role=TenantRole.OPERATOR,
    parameters=ExportParameters,
    subject=lambda parameters: parameters.month,
    producer="report_export.producer:ReportExport",
    reasons=[USAGE_UNAVAILABLE, USAGE_INVALID, UNKNOWN_DEPARTMENT],
    attempts=5,
    timeout=timedelta(minutes=10),
    links=_links,
)
