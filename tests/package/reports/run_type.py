"""The run type `report.export`."""

from datetime import timedelta

from pydantic import Field

from opsrun.producers import (
    Link,
    OperationRun,
    Parameters,
    Reason,
    RunType,
    TenantRole,
)

EMPTY_CHAPTER = Reason("EMPTY_CHAPTER", "The chapter has no words", "Write the chapter.")


class Chapter(Parameters):
    title: str = Field(min_length=1, max_length=50)
    words: int = Field(ge=0)


class ExportParameters(Parameters):
    report: str
    chapters: list[Chapter] = Field(default_factory=list)
    note: str = ""


def links(run: OperationRun) -> list[Link]:
    if run.context["note"] == "broken links":
        raise RuntimeError("password=hunter2")
    return [
        Link(f"The report {run.subject}", f"https://reports.example/{run.id}"),
        Link("A trap", "javascript:alert(1)"),
    ]


REPORT_EXPORT = RunType(
    name="report.export",
    title="Export a report",
    description="Writes each chapter of a report.",
    least_role=TenantRole.MANAGER,
    parameters=ExportParameters,
    subject=lambda parameters: parameters.report,
    producer="reports.producer:ReportExport",
    reasons=[EMPTY_CHAPTER],
    attempts=2,
    timeout=timedelta(minutes=5),
    links=links,
)
