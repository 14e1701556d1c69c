"""A package with one run type, installed only beside some of an installation's processes."""

from pathlib import Path

_MODULE = """
from domain.runs.contexts import Parameters
from domain.runs.run_types import RunType
from domain.tenancy.roles import TenantRole


class ExportParameters(Parameters):
    report: str


class ReportExport:
    async def run(self, execution):
        await execution.set_total(1)
        async with execution.batch() as batch:
            batch.succeeded(execution.run.subject)


REPORT_EXPORT = RunType(
    name="report.export",
    title="Export a report",
    description="Exports nothing.",
    least_role=TenantRole.OPERATOR,
    parameters=ExportParameters,
    subject=lambda parameters: parameters.report,
    producer="report_export:ReportExport",
)
"""
_FILES = {
    "report_export.py": _MODULE,
    "report_export-1.0.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: report-export\nVersion: 1.0\n"
    ),
    "report_export-1.0.dist-info/entry_points.txt": (
        "[opsrun.producers]\nreport.export = report_export:REPORT_EXPORT\n"
    ),
}


def install(folder: Path) -> None:
    """Install the package for the processes that have the folder on their path."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
