"""`drift.generate`: find the changes between two snapshots of a scope (P2)."""

from collections.abc import Mapping, Sequence
from functools import partial

import orjson

from domain.drift.compare import changes, contents
from domain.drift.models import ChangeKind, Comparison, DriftKind, NewFinding
from domain.drift.repository import add
from domain.inventory.content import normalize
from domain.inventory.models import PolicyDifference
from domain.inventory.repository import policies
from domain.runs.execution import RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.runs.repository.reading import by_ids
from workers.batches import weighed_batches
from workers.producers.compute_threads import COMPUTE_THREADS

# A few MB of memory: differences in a page, and in a batch with their documents, whose size counts
# compressed.
PAGE = 5000
BATCH = 500
_BATCH_BYTES = 256 * 1024
_KNOWN = "The finding is known from an earlier run."
_SAME = "The two exports write the same settings differently."


class DriftGenerate:
    """One item per policy whose content differs; without a new finding it is skipped."""

    async def run(self, execution: RunExecution) -> None:
        """Compare content hashes in SQL, then the settings of the policies that differ."""
        comparison = Comparison.of_context(execution.context)
        total, page = await _page(execution, comparison, after=None)
        done = await execution.finished_items()
        await execution.set_total(total)
        while page:
            left = (difference for difference in page if difference.policy_id not in done)
            for some in weighed_batches(left, _weight, heaviest=_BATCH_BYTES, most=BATCH):
                await _compare(execution, comparison, some)
            if len(page) < PAGE:
                break
            _, page = await _page(execution, comparison, after=page[-1].policy_id)


async def _page(
    execution: RunExecution, comparison: Comparison, *, after: str | None
) -> tuple[int, Sequence[PolicyDifference]]:
    """Return the number of differences, and the first of them; only those after a policy id."""
    runs = (comparison.baseline_run_id, comparison.current_run_id)
    async with execution.reading() as session:
        page = await policies.differences(session, *runs, after=after, limit=PAGE)
        # Check afterwards: a snapshot that was deleted before looks empty.
        if len(await by_ids(session, runs)) < len(runs):
            raise _deleted()
    return page


def _weight(difference: PolicyDifference) -> int:
    return difference.stored_bytes


async def _compare(
    execution: RunExecution, comparison: Comparison, differences: Sequence[PolicyDifference]
) -> None:
    documents = await _documents(execution, differences)
    # Large policies take seconds; a thread keeps other runs and heartbeats going.
    findings = await COMPUTE_THREADS.run(
        execution.tenant_id, partial(_findings, differences, documents)
    )
    async with execution.batch() as batch:
        new = await add(batch.session, execution.run.id, comparison, list(findings.values()))
        for difference in differences:
            if difference.policy_id in new:
                batch.succeeded(difference.policy_id)
            elif difference.policy_id in findings:
                batch.skipped(difference.policy_id, _KNOWN)
            else:
                batch.skipped(difference.policy_id, _SAME)


async def _documents(
    execution: RunExecution, differences: Sequence[PolicyDifference]
) -> Mapping[bytes, str]:
    hashes = {
        key
        for difference in differences
        for key in (difference.baseline_document, difference.current_document)
        if key is not None
    }
    async with execution.reading() as session:
        documents = await policies.documents(session, sorted(hashes))
    if len(documents) < len(hashes):
        raise _deleted()
    return documents


def _findings(
    differences: Sequence[PolicyDifference], documents: Mapping[bytes, str]
) -> dict[str, NewFinding]:
    return {
        difference.policy_id: finding
        for difference in differences
        if (finding := _finding(difference, documents)) is not None
    }


def _finding(difference: PolicyDifference, documents: Mapping[bytes, str]) -> NewFinding | None:
    """Return the finding; None if only the form of the export differs."""
    old, new = (
        None if key is None else normalize(orjson.loads(documents[key]))
        for key in (difference.baseline_document, difference.current_document)
    )
    if old is not None and new is not None:
        kind = DriftKind.MODIFIED
        differing = changes(old, new)
        if not differing:
            return None
    elif new is not None:
        kind, differing = DriftKind.ADDED, contents(new, ChangeKind.ADDED)
    else:
        assert old is not None  # a difference has a side
        kind, differing = DriftKind.REMOVED, contents(old, ChangeKind.REMOVED)
    return NewFinding(
        policy_id=difference.policy_id,
        policy_name=difference.name,
        policy_type=difference.policy_type,
        kind=kind,
        changes=differing,
    )


def _deleted() -> ProducerError:
    return ProducerError(
        FailureReason.BASELINE_UNAVAILABLE,
        "A snapshot to compare was deleted in the meantime. Generate drift again.",
    )
