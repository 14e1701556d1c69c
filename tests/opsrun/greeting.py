"""The run type of another package: the tests of `opsrun.testing` install it as `greeting`."""

import os
from pathlib import Path

from opsrun.producers import (
    Batch,
    Link,
    Parameters,
    ProducerError,
    Reason,
    RunExecution,
    RunType,
    TenantRole,
)

UNKNOWN = Reason("GREETING_UNKNOWN", "Somebody does not exist", "Correct the name.")
UNDECLARED = Reason("GREETING_UNDECLARED", "Somebody is a stranger", "Introduce yourself.")


class GreetParameters(Parameters):
    """Who is greeted."""

    names: tuple[str, ...]


class Greet:
    """Appends each name to the file of its attempt, in one batch for each name."""

    async def run(self, execution: RunExecution) -> None:
        """Greet everybody whom no earlier attempt has recorded."""
        names = GreetParameters.model_validate(execution.context).names
        if not names:
            raise ProducerError(UNKNOWN, "No names are left to greet.")
        done = await execution.finished_items()
        await execution.set_total(len(names))
        for name in names:
            if name not in done:
                async with execution.batch() as batch:
                    _write(execution.lease.attempt, name)
                    _greet(batch, name)


def _write(attempt: int, name: str) -> None:
    with (Path(os.environ["GREETINGS"]) / f"attempt-{attempt}").open("a") as file:
        file.write(f"{name}\n")


def _greet(batch: Batch, name: str) -> None:
    if name == "nemo":
        batch.failed(name, ProducerError(UNKNOWN, "That name is unknown: password=hunter2"))
    elif name == "stranger":
        batch.failed(name, ProducerError(UNDECLARED, "Who is it?"))
    elif name == "myself":
        batch.skipped(name, "I am here.")
    elif name == "bug":
        raise KeyError(name)
    else:
        batch.succeeded(name)


GREET = RunType(
    name="greeting.send",
    title="Send greetings",
    description="Greets everybody by name.",
    least_role=TenantRole.OPERATOR,
    parameters=GreetParameters,
    subject=lambda parameters: ", ".join(parameters.names),
    producer="greeting:Greet",
    reasons=[UNKNOWN],
    attempts=2,
    links=lambda run: [Link("Greetings", f"https://greetings.example/{run.tenant_id}")],
)
