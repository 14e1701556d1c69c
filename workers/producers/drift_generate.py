"""`drift.generate`: find out what changed between two snapshots of a scope (P2)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from domain.drift.compare import changes
from domain.drift.models import RUN_TYPE, Comparison, DriftKind, NewFinding
from domain.drift.repository import add
from domain.inventory import repository
from domain.inventory.models import PolicyDifference
from domain.inventory.policies import normalize
from domain.runs.execution import Batch, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.repository.reading import by_ids
from workers.producers.batches import batches

BATCH = 10


class DriftGenerate:
    """Itemized by policy that differs; one whose finding is known already is skipped."""

    run_type: ClassVar[str] = RUN_TYPE

    async def run(self, execution: RunExecution) -> None:
        """Compare content hashes in SQL, then look inside the policies that differ."""
        comparison = Comparison.of_context(execution.context)
        runs = (comparison.baseline_run_id, comparison.current_run_id)
        async with execution.reading() as connection:
            differences = await repository.differences(connection, execution.tenant_id, *runs)
            # Asked afterwards: a snapshot that is deleted before would only look empty.
            if len(await by_ids(connection, execution.tenant_id, runs)) < len(runs):
                raise _deleted()
        done = await execution.finished_items()
        await execution.set_total(len(differences))
        left = [difference for difference in differences if difference.policy_id not in done]
        for some in batches(left, BATCH):
            async with execution.batch() as batch:
                documents = await _documents(batch, execution.tenant_id, some)
                findings = [_finding(difference, documents) for difference in some]
                new = await add(
                    batch.connection,
                    execution.tenant_id,
                    execution.run.id,
                    comparison,
                    findings,
                )
                for finding in findings:
                    tell = batch.succeeded if finding.policy_id in new else batch.skipped
                    tell(finding.policy_id)


async def _documents(
    batch: Batch, tenant_id: UUID, differences: Sequence[PolicyDifference]
) -> Mapping[bytes, Mapping[str, Any]]:
    """Read what there is to look inside: the policies that both snapshots have."""
    hashes = {
        key
        for difference in differences
        if difference.baseline_document and difference.current_document
        for key in (difference.baseline_document, difference.current_document)
    }
    found = await repository.documents(batch.connection, tenant_id, sorted(hashes))
    if len(found) < len(hashes):
        raise _deleted()
    return found


def _finding(
    difference: PolicyDifference, documents: Mapping[bytes, Mapping[str, Any]]
) -> NewFinding:
    old, new = difference.baseline_document, difference.current_document
    if old is None:
        kind = DriftKind.ADDED
    elif new is None:
        kind = DriftKind.REMOVED
    else:
        kind = DriftKind.MODIFIED
    return NewFinding(
        policy_id=difference.policy_id,
        policy_name=difference.name,
        policy_type=difference.policy_type,
        kind=kind,
        changes=changes(normalize(documents[old]), normalize(documents[new]))
        if old is not None and new is not None
        else [],
    )


def _deleted() -> ProducerError:
    return ProducerError(
        FailureReason.BASELINE_UNAVAILABLE,
        "A snapshot to compare was deleted in the meantime. Generate drift again.",
    )
