"""Start runs of any declared type (P5)."""

from typing import Any, TypeVar

from domain.redaction.sanitizer import sanitize
from domain.runs.contexts import Parameters, read_context, require_storable
from domain.runs.models import StartedRun
from domain.runs.run_types import RunType, Work, run_types
from domain.runs.starting import RunStarter
from domain.tenancy.models import TenantAccess
from domain.tenancy.transactions import Transactions

_SUBJECT_LENGTH = 200

P = TypeVar("P", bound=Parameters)


class Operations:
    """Checks the parameters of a start, and starts the run.

    await operations.start(access, run_types()["report.export"], {"report": "usage"})
    """

    def __init__(self, transactions: Transactions, starter: RunStarter) -> None:
        self._transactions = transactions
        self._starter = starter

    async def start(
        self, access: TenantAccess, run_type: RunType[Any], context: object
    ) -> StartedRun:
        """Start a run with parameters that a client sent as JSON.

        Raises:
            ForbiddenError: the role may not start this type.
            InvalidContextError: the parameters are not valid.
            UserInputError: as the run type says, and TOO_MANY_ACTIVE_RUNS.
        """
        # The role comes first: a context is not read for callers who may not start the run.
        access.require_role(run_type.least_role)
        return await self.start_with(access, run_type, read_context(run_type.parameters, context))

    async def start_with(
        self, access: TenantAccess, run_type: RunType[P], parameters: P
    ) -> StartedRun:
        """Start a run with parameters that are read already; raise as `start` does.

        The context that is stored is checked again, because a model may change what it reads.
        """
        access.require_role(run_type.least_role)
        if run_type.prepare is not None:
            work = await self._transactions.read(run_type.prepare, access, parameters)
        else:
            assert run_type.subject is not None
            # `round_trip` leaves out what the model computes, because it could not read that again.
            context = parameters.model_dump(mode="json", by_alias=True, round_trip=True)
            work = Work(run_type.subject(parameters), context)
        subject = work.subject
        if not run_types().is_built_in(run_type.name):
            require_storable(work.context)
            subject = sanitize(subject, max_length=_SUBJECT_LENGTH)
        resource, action = run_type.name.split(".")
        return await self._starter.start(
            access, resource=resource, action=action, subject=subject, context=work.context
        )
