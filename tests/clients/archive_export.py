"""Run types of another package; tests install this file beside Opsrun."""

from dataclasses import replace
from datetime import date
from typing import Literal

from pydantic import Field

from opsrun.producers import (
    Link,
    Parameters,
    ProducerError,
    Reason,
    RunExecution,
    RunType,
    TenantRole,
)

EMPTY = Reason("DEPARTMENT_EMPTY", "The department has no members", "Add a member first.")


class ExportParameters(Parameters):
    """The archive to export."""

    archive: str = Field(min_length=3, description="The name of the archive.")
    format: Literal["pdf", "csv"] = Field(description="The files that are written.")
    pages: int = Field(default=3, ge=1, le=50, description="The number of pages.")
    since: date | None = Field(default=None, description="Only what happened since this day.")
    mark_draft: bool = Field(description="Write “Draft” on each page.")
    departments: list[str] = Field(max_length=3, description="The departments to include.")
    sizes: list[tuple[int, int]] = Field(default=[], description="Widths and heights of pictures.")
    recipient: str | int = Field(default=0, description="A name or a number.")


class ArchiveExport:
    """Fails for departments with `empty` in their names."""

    async def run(self, execution: RunExecution) -> None:
        """Export one file for each department."""
        departments = ExportParameters.model_validate(execution.context).departments
        done = await execution.finished_items()
        await execution.set_total(len(departments))
        async with execution.batch() as batch:
            for name in departments:
                if name in done:
                    continue
                if "empty" in name:
                    batch.failed(name, ProducerError(EMPTY, f"{name} has no members."))
                else:
                    batch.succeeded(name)


ARCHIVE_EXPORT = RunType(
    name="archive.export",
    title="Export an archive",
    description="Writes an archive as files, one for each department.",
    least_role=TenantRole.OPERATOR,
    parameters=ExportParameters,
    subject=lambda parameters: parameters.archive,
    producer="archive_export:ArchiveExport",
    reasons=[EMPTY],
    links=lambda run: [Link("The finished archive", f"https://archives.example/{run.subject}")],
)

ARCHIVE_SHRED = replace(ARCHIVE_EXPORT, name="archive.shred", title="Shred an archive")
