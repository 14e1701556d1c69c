"""`inventory.sync`: read all policies of a scope and store a snapshot (P1)."""

from collections.abc import Sequence
from typing import ClassVar

from domain.inventory import repository
from domain.inventory.content import content_hash, document_hash, normalize
from domain.inventory.models import RUN_TYPE, PolicyRecord, SyncOrder
from domain.inventory.provider import CatalogueEntry, InventoryProvider
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.repository import export_folder
from workers.producers.batches import batches
from workers.providers import provider_of

BATCH = 10


class InventorySync:
    """Itemized by policy: one that cannot be taken fails alone."""

    run_type: ClassVar[str] = RUN_TYPE

    async def run(self, execution: RunExecution) -> None:
        """Read the scope's catalogue, then every policy that is not stored yet."""
        order = SyncOrder.of_context(execution.context)
        async with execution.reading() as connection:
            provider = provider_of(await export_folder(connection, execution.tenant_id))
            had = await repository.current_policy_count(
                connection, execution.tenant_id, order.scope_key
            )
        catalogue = await _catalogue(provider, order)
        if had and not order.allow_empty:
            _require_policies(catalogue, had)
        async with execution.batch() as batch:
            await repository.save_scopes(batch.connection, execution.tenant_id, [order.scope_key])
        done = await execution.finished_items()
        left = [entry for entry in catalogue if entry.key not in done]
        await execution.set_total(len(done) + len(left))
        for entries in batches(left, BATCH):
            await _store(execution, provider, order.scope_key, entries)


async def _catalogue(provider: InventoryProvider, order: SyncOrder) -> Sequence[CatalogueEntry]:
    try:
        return await provider.catalogue(order.scope_key)
    except ProducerError as error:
        if error.reason is FailureReason.SCOPE_NOT_FOUND and order.allow_empty:
            return ()
        raise


def _require_policies(catalogue: Sequence[CatalogueEntry], had: int) -> None:
    ignored = sum(entry.ignored is not None for entry in catalogue)
    if ignored < len(catalogue):
        return
    holds = f"holds only files that are ignored ({ignored})" if ignored else "holds no policy"
    raise ProducerError(
        FailureReason.SCOPE_EMPTY,
        f"The scope had {had} policies and {holds} now. If the export is broken, export again and"
        " sync again; if the scope is meant to be empty, sync it with `allowEmpty: true`.",
    )


async def _store(
    execution: RunExecution,
    provider: InventoryProvider,
    scope_key: str,
    entries: Sequence[CatalogueEntry],
) -> None:
    records: list[PolicyRecord] = []
    failures: list[tuple[str, ProducerError]] = []
    for entry in entries:
        if entry.ignored is not None:
            continue
        try:
            if entry.failure is not None:
                raise entry.failure
            records.append(await _read(provider, scope_key, entry.key))
        except ProducerError as error:
            if error.reason is FailureReason.PROVIDER_UNAVAILABLE:
                # Not the policy's fault, and the others would fail like it.
                raise
            failures.append((entry.key, error))
    async with execution.batch() as batch:
        stored = await repository.store(
            batch.connection, execution.tenant_id, execution.run.id, records
        )
        for record in records:
            if record.policy_id in stored:
                batch.succeeded(record.item_key)
            else:
                batch.failed(record.item_key, _stored_twice(record))
        for key, failure in failures:
            batch.failed(key, failure)
        for entry in entries:
            if entry.ignored is not None:
                batch.skipped(entry.key, entry.ignored)


async def _read(provider: InventoryProvider, scope_key: str, key: str) -> PolicyRecord:
    document = await provider.read(scope_key, key)
    return PolicyRecord(
        item_key=document.key,
        policy_id=document.policy_id,
        name=document.name,
        policy_type=document.policy_type,
        content_hash=content_hash(normalize(document.body)),
        document_hash=document_hash(document.body),
        body=document.body,
    )


def _stored_twice(record: PolicyRecord) -> ProducerError:
    return ProducerError(
        FailureReason.DUPLICATE_ID,
        f"The policy id {record.policy_id} was stored before under another name."
        " Sync again once the export has settled.",
    )
