"""What a package imports to announce the operations of another product (P5, docs/producers.md).

The smallest run type and its producer, in a module `greeting` of such a package:

    from opsrun.producers import Parameters, RunExecution, RunType, TenantRole


    class GreetParameters(Parameters):
        name: str


    class Greet:
        async def run(self, execution: RunExecution) -> None:
            parameters = GreetParameters.model_validate(execution.context)
            done = await execution.finished_items()
            await execution.set_total(1)
            if parameters.name not in done:
                async with execution.batch() as batch:
                    batch.succeeded(parameters.name)


    GREET = RunType(
        name="greeting.send",
        title="Send a greeting",
        description="Greets somebody by name.",
        least_role=TenantRole.OPERATOR,
        parameters=GreetParameters,
        subject=lambda parameters: parameters.name,
        producer="greeting:Greet",
    )

The package's pyproject.toml announces it:

    [project.entry-points."opsrun.producers"]
    "greeting.send" = "greeting:GREET"
"""

from domain.errors import UserErrorCode, UserInputError
from domain.runs.contexts import Parameters
from domain.runs.execution import Batch, LeaseLostError, RunExecution
from domain.runs.failures import ProducerError, Reason
from domain.runs.models import OperationRun
from domain.runs.run_types import Link, RunType, Work
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession

__all__ = [
    "Batch",
    "LeaseLostError",
    "Link",
    "OperationRun",
    "Parameters",
    "ProducerError",
    "Reason",
    "RunExecution",
    "RunType",
    "TenantRole",
    "TenantSession",
    "UserErrorCode",
    "UserInputError",
    "Work",
]
