"""The seam through which `inventory.sync` reads policies (P1)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

from domain.budgets.service import RequestBudgets
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.transactions import Transactions


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Something in a scope that is not stored, because it failed or because it is ignored."""

    key: str
    failure: ProducerError | None = None
    ignored: str | None = None

    @classmethod
    def failed(cls, key: str, error: ProducerError) -> "NotTaken":
        """Keep the error without its traceback, which keeps the whole document in memory."""
        return cls(key, failure=ProducerError(error.reason, error.message, error.names))


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy as the provider returned it: JSON or YAML that is not checked yet.

    Some tools say only by the folder what a document is: by the scope, or by a part of the key.
    """

    key: str
    content: bytes
    scope_key: str = ""
    is_yaml: bool = False


async def _refuse_to_wait(_seconds: float, reason: str) -> None:
    raise ProducerError(FailureReason.PROVIDER_UNAVAILABLE, reason)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """On whose behalf a provider reads.

    `request_id` is the run's id; the provider's service gets it with each request. `wait` waits for
    a number of seconds and the reason given, a sentence (see `RunExecution.wait`).
    """

    tenant_id: UUID
    request_id: UUID
    wait: Callable[[float, str], Awaitable[None]]
    budgets: RequestBudgets

    @classmethod
    def of_run(cls, execution: RunExecution) -> "ProviderCall":
        """Return the call for a run."""
        return cls(execution.tenant_id, execution.run.id, execution.wait, execution.budgets)

    @classmethod
    def without_run(cls, transactions: Transactions, tenant_id: UUID) -> "ProviderCall":
        """Return a call of maintenance, which comes back later instead of waiting."""
        return cls(tenant_id, uuid4(), _refuse_to_wait, RequestBudgets(transactions, tenant_id))


class InventoryProvider(Protocol):
    """Reads the policies of a tenant's scopes, each once and in batches.

    class OnePolicy:
        async def scopes(self):
            return ["workstations"]

        async def policies(self, scope_key):
            body = b'{"id": "p1", "displayName": "Lock", "@odata.type": "#policy"}'
            yield [PolicyDocument("lock.json", body)]
    """

    async def scopes(self) -> Sequence[str]:
        """Return the keys of all scopes, sorted."""
        ...

    def policies(self, scope_key: str) -> AsyncIterator[Sequence[PolicyDocument | NotTaken]]:
        """Yield everything in the scope, in batches of bounded size.

        Keys are stable and unique within the scope. Two policies may have the same policy id.

        Raises:
            ProducerError: SCOPE_NOT_FOUND; PROVIDER_UNAVAILABLE if a retry may help; another
                reason if the operator has to correct a setting.
        """
        ...
