"""A package with one run type, installed only beside some of an installation's processes."""

from pathlib import Path

_MODULE = """
from opsrun.producers import Parameters, RunType, TenantRole


class ExportParameters(Parameters):
    report: str


class ReportExport:
    async def run(self, execution):
        await execution.set_total(1)
        async with execution.batch() as batch:
            batch.succeeded(execution.run.subject)


REPORT_EXPORT = RunType(
    name="rolling.export",
    title="Export a report",
    description="Exports nothing.",
    least_role=TenantRole.OPERATOR,
    parameters=ExportParameters,
    subject=lambda parameters: parameters.report,
    producer="rolling_export:ReportExport",
)
"""
_FILES = {
    "rolling_export.py": _MODULE,
    "rolling_export-1.0.dist-info/METADATA": (
        "Metadata-Version: 2.1\nName: rolling-export\nVersion: 1.0\n"
    ),
    "rolling_export-1.0.dist-info/entry_points.txt": (
        "[opsrun.producers]\nrolling.export = rolling_export:REPORT_EXPORT\n"
    ),
}


def install(folder: Path) -> None:
    """Install the package for the processes that have the folder on their path."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
