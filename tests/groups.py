"""What tests do with a tenant's groups: read them from the double of Graph, store, compare."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from domain.groups.models import GroupChange, GroupMemberKind, GroupSyncParameters
from domain.groups.repository import changing
from domain.groups.run_type import GROUP_SYNC
from domain.runs.models import OperationRun, StartedRun
from opsrun.postgres.engines import Login
from tests.acts import complete
from tests.graph import Double
from tests.world import World

Stored = dict[str, tuple[str, frozenset[tuple[str, str]]]]
_STORED = """
SELECT g.group_id, g.name, array_agg(m.member_id) FILTER (WHERE NOT m.is_removed) AS members,
    array_agg(m.kind) FILTER (WHERE NOT m.is_removed) AS kinds
FROM opsrun.directory_group g LEFT JOIN opsrun.group_member m USING (tenant_id, group_id)
WHERE g.tenant_id = :tenant_id AND NOT g.is_removed GROUP BY g.group_id, g.name
"""
_KINDS = {"user": "USER", "device": "DEVICE", "servicePrincipal": "SERVICE_PRINCIPAL"}


async def start_group_sync(world: World, *, full: bool = False) -> StartedRun:
    """Start a sync of the tenant's groups."""
    parameters = GroupSyncParameters(full=full)
    return await world.cases.operations.start_with(await world.access(), GROUP_SYNC, parameters)


async def sync_groups(world: World, *, full: bool = False) -> OperationRun:
    """Sync the tenant's groups."""
    return await complete(world, await start_group_sync(world, full=full))


async def stored_groups(world: World) -> Stored:
    """Return the stored groups, with their names and members."""
    return {
        row.group_id: (row.name, frozenset(zip(row.members or (), row.kinds or (), strict=True)))
        for row in await world.rows(_STORED)
    }


def groups_of_double(double: Double) -> Stored:
    """Return the groups that the double has now, in the form of `stored_groups`."""
    return {
        key: (group.name, frozenset((one.id, _KINDS[one.kind]) for one in group.members))
        for key, group in double.groups.present().items()
    }


async def store_groups(world: World, groups: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Store these groups by id, with names and members' kinds, as a sync would."""
    run_id = uuid4()
    async with world.resources[Login.WORKER].transactions.tenant(world.tenant_id) as session:
        await changing.begin(session, run_id, await changing.position(session), "test")
        position = await changing.position(session)
        assert position is not None
        changes = {
            key: GroupChange(
                name=name,
                members={one: GroupMemberKind(kind) for one, kind in members.items()},
            )
            for key, (name, members) in groups.items()
        }
        await changing.apply(session, run_id, position.generation, changes)
        await changing.end(session, run_id, position)
