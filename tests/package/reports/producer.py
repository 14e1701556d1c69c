"""The producer of `report.export`."""

from opsrun.producers import ProducerError, RunExecution
from reports.run_type import EMPTY_CHAPTER, ExportParameters


class ReportExport:
    """One item per chapter; a chapter without words fails."""

    async def run(self, execution: RunExecution) -> None:
        parameters = ExportParameters.model_validate(execution.context)
        done = await execution.finished_items()
        await execution.set_total(len(parameters.chapters))
        for chapter in parameters.chapters:
            if chapter.title in done:
                continue
            async with execution.batch() as batch:
                if chapter.words:
                    batch.succeeded(chapter.title)
                else:
                    batch.failed(chapter.title, ProducerError(EMPTY_CHAPTER, "It is empty."))
