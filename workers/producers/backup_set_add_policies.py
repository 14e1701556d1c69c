"""`backup_set.add_policies`: copy policies of the current snapshots into a set (P3)."""

from domain.backups.models import AddPolicies
from domain.backups.repository import by_ids, copy_policies
from domain.inventory.repository.scopes import snapshot_runs
from domain.runs.execution import Batch, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from workers.batches import batches

BATCH = 50
_PRESENT = "The backup set has this policy already."


class BackupSetAddPolicies:
    """One item per policy: a copy succeeds, a present policy is skipped, an unknown one fails."""

    async def run(self, execution: RunExecution) -> None:
        """Copy the policies that are not recorded yet, scope by scope."""
        parameters = AddPolicies.model_validate(execution.context)
        done = await execution.finished_items()
        await execution.set_total(len(parameters.policies))
        by_scope: dict[str, list[str]] = {}
        for scope_key, policy_id in parameters.policies:
            if _item(scope_key, policy_id) not in done:
                by_scope.setdefault(scope_key, []).append(policy_id)
        for scope_key, policy_ids in by_scope.items():
            for some in batches(policy_ids, BATCH):
                async with execution.batch() as batch:
                    await _copy(batch, parameters, scope_key, list(some))


async def _copy(
    batch: Batch, parameters: AddPolicies, scope_key: str, policy_ids: list[str]
) -> None:
    if not await by_ids(batch.session, [parameters.backup_set_id]):
        raise ProducerError(FailureReason.BACKUP_SET_NOT_FOUND, "The backup set was deleted.")
    present: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()
    for snapshot in await snapshot_runs(batch.session, scope_key, 1):
        present, copied = await copy_policies(
            batch.session,
            parameters.backup_set_id,
            scope_key=scope_key,
            snapshot_run_id=snapshot,
            policy_ids=policy_ids,
        )
    for policy_id in policy_ids:
        item = _item(scope_key, policy_id)
        if policy_id in copied:
            batch.succeeded(item)
        elif policy_id in present:
            batch.skipped(item, _PRESENT)
        else:
            batch.failed(item, _not_found(scope_key))


def _item(scope_key: str, policy_id: str) -> str:
    return f"{scope_key}/{policy_id}"


def _not_found(scope_key: str) -> ProducerError:
    return ProducerError(
        FailureReason.POLICY_NOT_FOUND,
        f"The current snapshot of {scope_key!r} has no such policy. Sync the scope, then add it.",
    )
