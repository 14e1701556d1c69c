"""`group.sync`: keep a tenant's groups and their members current (P7)."""

from dataclasses import replace

from domain.groups.models import ChangePage, GroupSyncParameters, Position, PositionLostError
from domain.groups.repository import changing
from domain.groups.run_type import INVALID_GROUP
from domain.inventory.provider import ProviderCall
from domain.runs.execution import Batch, RunExecution
from domain.runs.failures import FailureReason, ProducerError
from domain.tenancy.repository import provider as provider_settings
from workers.providers import groups_of
from workers.providers.graph.groups import GraphGroups

# Rows that one statement marks as removed: about a second.
REMOVED_AT_A_TIME = 20_000
# How often a provider may lose the position in one attempt.
_MOST_RESTARTS = 3
_NOT_STORED = "The group was removed before a sync stored it."


class GroupSync:
    """One item per group that the provider names.

    Each page is stored in one transaction with the position of the next one, so a later attempt,
    or a later run, goes on there. A position moves only from where the page was read. If two runs
    of a tenant ever read at the same time, each page is stored once, and both reach the end.
    """

    async def run(self, execution: RunExecution) -> None:
        """Read and store page by page; after a full reading, remove what it did not see."""
        async with execution.reading() as session:
            settings = await provider_settings(session)
        groups = groups_of(settings, ProviderCall.of_run(execution))
        position = await _start(execution, groups.source)
        for _ in range(_MOST_RESTARTS):
            try:
                position = await _read_all(execution, groups, position)
                break
            except PositionLostError:
                position = await _begin(execution, await _position(execution), groups.source)
        else:
            raise ProducerError(
                FailureReason.PROVIDER_UNAVAILABLE,
                "The provider forgot the position of the sync again and again. Start it again.",
            )
        if position.is_full:
            await _remove_unseen(execution, position)
        async with execution.batch() as batch:
            await changing.end(batch.session, execution.run.id, position)
        await execution.set_total(len(await execution.finished_items()))


async def _start(execution: RunExecution, source: str) -> Position:
    """Return where to begin: at the stored position, or at the first page of all groups."""
    parameters = GroupSyncParameters.model_validate(execution.context)
    async with execution.reading() as session:
        position = await changing.position(session)
    if position is None:
        return await _begin(execution, None, source)
    # An earlier attempt of this run may have begun to read everything.
    is_own = position.begun_by == execution.run.id
    wants_all = not is_own and (parameters.full or position.has_gaps)
    if wants_all or position.source != source:
        return await _begin(execution, position, source)
    return position


async def _begin(execution: RunExecution, position: Position | None, source: str) -> Position:
    async with execution.batch() as batch:
        await changing.begin(batch.session, execution.run.id, position, source)
    return await _position(execution)


async def _position(execution: RunExecution) -> Position:
    async with execution.reading() as session:
        position = await changing.position(session)
    assert position is not None  # a sync has begun
    return position


async def _read_all(execution: RunExecution, groups: GraphGroups, position: Position) -> Position:
    """Store page after page, up to the last one; return the position after it."""
    while True:
        page = await groups.page(position.path)
        async with execution.batch() as batch:
            moved = await _store(batch, execution, position, page)
        if moved is not None and page.is_last:
            return moved
        position = moved or await _position(execution)


async def _store(
    batch: Batch, execution: RunExecution, position: Position, page: ChangePage
) -> Position | None:
    """Store a page, and return the position after it; None if another run has moved it before."""
    failures = {key: change.failure for key, change in page.changes.items() if change.failure}
    has_gaps = bool(failures)
    if not await changing.move(batch.session, position, page.next_path, has_gaps=has_gaps):
        return None
    gone = await changing.apply(batch.session, execution.run.id, position.generation, page.changes)
    for key, change in page.changes.items():
        if key in failures:
            batch.failed(key, ProducerError(INVALID_GROUP, failures[key]))
        elif change.is_present or key in gone:
            batch.succeeded(key)
        else:
            batch.skipped(key, _NOT_STORED)
    return replace(position, path=page.next_path, has_gaps=position.has_gaps or has_gaps)


async def _remove_unseen(execution: RunExecution, position: Position) -> None:
    while True:
        async with execution.batch() as batch:
            removed = await changing.remove_unseen(
                batch.session, position.generation, limit=REMOVED_AT_A_TIME
            )
        if removed < REMOVED_AT_A_TIME:
            return
