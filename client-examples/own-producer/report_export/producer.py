"""`report.export`: read each department's usage, and write its report."""

import asyncio
import os
from pathlib import Path

from opsrun.producers import Batch, ProducerError, RunExecution

from report_export.pages import read_usage, write_page
from report_export.run_type import UNKNOWN_DEPARTMENT, USAGE_UNAVAILABLE, ExportParameters


class ReportExport:
    """One item for each department; a department whose usage cannot be used fails alone.

    It reads `REPORT_USAGE/<tenant id>/<department>/<month>.csv`, and writes
    `REPORT_FOLDER/<tenant id>/<month>/<department>.html`.
    """

    async def run(self, execution: RunExecution) -> None:
        """Export the departments that no earlier attempt has recorded."""
        parameters = ExportParameters.model_validate(execution.context)
        usage = Path(os.environ["REPORT_USAGE"], str(execution.tenant_id))
        reports = Path(os.environ["REPORT_FOLDER"], str(execution.tenant_id), parameters.month)
        departments = parameters.departments or await asyncio.to_thread(_departments, usage)
        done = await execution.finished_items()
        await execution.set_total(len({*departments, *done}))
        for department in departments:
            if department not in done:
                # It checks first that this worker still has the run, so a lost one writes nothing.
                async with execution.batch() as batch:
                    await asyncio.to_thread(
                        _export, batch, usage / department, reports, parameters.month
                    )


def _departments(usage: Path) -> tuple[str, ...]:
    try:
        return (*sorted(folder.name for folder in usage.iterdir() if folder.is_dir()),)
    except OSError as error:
        message = f"The usage folder {usage.name} cannot be read: {error.strerror}."
        raise ProducerError(USAGE_UNAVAILABLE, message) from error


def _export(batch: Batch, folder: Path, reports: Path, month: str) -> None:
    """Write the department's report and record the item.

    If the worker is killed in between, the next attempt writes the same file again.
    """
    department = folder.name
    if not folder.is_dir():
        message = f"There is no department {department}."
        batch.failed(department, ProducerError(UNKNOWN_DEPARTMENT, message))
        return
    try:
        usage = read_usage(folder / f"{month}.csv")
    except FileNotFoundError:
        batch.skipped(department, f"Nothing was used in {month}.")
    except ProducerError as error:
        batch.failed(department, error)
    else:
        write_page(reports / f"{department}.html", f"{department}, {month}", usage)
        batch.succeeded(department)
