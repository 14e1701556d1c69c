"""A tenant with rows in every table."""

from domain.lifecycle import StatusBucket
from tests.acts import back_up, backup_set, drift, export, policy, sync
from tests.groups import store_groups
from tests.world import World


async def fill(world: World) -> None:
    """Sync twice, generate drift, back up a policy, fail an item, store a group, queue a run."""
    for setting in ("old", "new"):
        await sync(world, policy("p-1", setting=setting), policy("p-2", setting=setting))
    broken = export(world, policy("p-1"), scope_key="broken")
    (broken / "torn.json").write_text("{")
    partial = await sync(world, scope_key="broken")
    assert partial.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    await drift(world)
    await back_up(world, await backup_set(world), "p-1")
    await store_groups(world, {"g-1": ("Pilots", {"m-1": "USER"})})
    await world.start()
