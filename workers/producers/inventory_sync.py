"""`inventory.sync`: read all policies of a scope and store a snapshot (P1)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from uuid import UUID

from domain.inventory.duplicates import duplicates
from domain.inventory.models import PolicyRecord, SyncParameters
from domain.inventory.provider import InventoryProvider, NotTaken, ProviderCall
from domain.inventory.records import prepare
from domain.inventory.repository import policies
from domain.inventory.repository.scopes import save_scopes
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.repository import provider as provider_settings
from workers.batches import one_ahead, timed_batches
from workers.producers.compute_threads import COMPUTE_THREADS
from workers.providers import provider_of

# Items in a batch: a few MB of memory.
BATCH = 5000
_Item = PolicyRecord | NotTaken


class InventorySync:
    """One item per policy; a policy that cannot be stored fails alone."""

    async def run(self, execution: RunExecution) -> None:
        """Read the scope and store its documents, then record the policies."""
        parameters = SyncParameters.model_validate(execution.context)
        async with execution.reading() as session:
            settings = await provider_settings(session)
            had = await policies.current_policy_count(session, parameters.scope_key)
        provider = provider_of(settings, ProviderCall.of_run(execution))
        items = await _read_scope(execution, provider, parameters)
        if had and not parameters.allow_empty:
            _require_policies(items, had)
        async with execution.batch() as batch:
            await save_scopes(batch.session, {batch.session.tenant_id: [parameters.scope_key]})
        done = await execution.finished_items()
        left = [item for item in items if item.key not in done]
        await execution.set_total(len(done) + len(left))
        for some in timed_batches(left, BATCH):
            await _record(execution, some)


async def _read_scope(
    execution: RunExecution, provider: InventoryProvider, parameters: SyncParameters
) -> list[_Item]:
    """Store the scope's documents batch by batch; return the items to record.

    Recording waits until all policy ids are known, because duplicates are not stored.
    """
    items: list[_Item] = []
    preparing = _prepared(execution.tenant_id, provider, parameters.scope_key)
    try:
        # The next batch is read while the database stores this one.
        async with aclosing(one_ahead(preparing)) as prepared:
            async for some, documents in prepared:
                items += some
                async with execution.batch() as batch:
                    await policies.store_documents(batch.session, documents)
    except ProducerError as error:
        if error.reason != FailureReason.SCOPE_NOT_FOUND or not parameters.allow_empty:
            raise
    failures = duplicates(item for item in items if isinstance(item, PolicyRecord))
    return [
        NotTaken(item.key, failure=failures[item.key]) if item.key in failures else item
        for item in items
    ]


async def _prepared(
    tenant_id: UUID, provider: InventoryProvider, scope_key: str
) -> AsyncIterator[tuple[list[_Item], dict[bytes, str]]]:
    async for batch in provider.policies(scope_key):
        # Large documents take seconds; a thread keeps other runs and heartbeats going.
        yield await COMPUTE_THREADS.run(tenant_id, partial(prepare, batch))


def _require_policies(items: Sequence[_Item], had: int) -> None:
    ignored = sum(isinstance(item, NotTaken) and item.ignored is not None for item in items)
    if ignored < len(items):
        return
    holds = f"holds only files that are ignored ({ignored})" if ignored else "holds no policy"
    raise ProducerError(
        FailureReason.SCOPE_EMPTY,
        f"The scope had {had} policies and {holds} now. If that is wrong, export again or"
        " correct the provider, then sync again. If the scope is meant to be empty, sync it with"
        " `allowEmpty: true`.",
    )


async def _record(execution: RunExecution, items: Sequence[_Item]) -> None:
    records = [item for item in items if isinstance(item, PolicyRecord)]
    async with execution.batch() as batch:
        stored = await policies.store(batch.session, execution.run.id, records)
        for item in items:
            if isinstance(item, PolicyRecord):
                if item.policy_id in stored:
                    batch.succeeded(item.key)
                else:
                    batch.failed(item.key, _stored_twice(item))
            elif item.failure is not None:
                batch.failed(item.key, item.failure)
            else:
                batch.skipped(item.key, item.ignored or "")


def _stored_twice(record: PolicyRecord) -> ProducerError:
    return ProducerError(
        FailureReason.DUPLICATE_ID,
        f"The policy id {record.policy_id} was stored before under another name."
        " Sync again when the export is complete.",
    )
