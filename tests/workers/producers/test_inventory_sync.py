"""A sync copes with broken and changing exports, and with workers that die."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.drift.models import DriftKind
from domain.errors import UserErrorCode, UserInputError
from domain.inventory.provider import InventoryProvider, NotTaken, PolicyDocument
from domain.inventory.repository import policies as repository
from domain.inventory.repository.scopes import scopes
from domain.lifecycle import RunStatus, StatusBucket
from domain.runs.execution import LeaseLostError
from domain.runs.failures import FailureReason
from domain.runs.models import OperationRun, RunCounts
from domain.runs.repository import reading
from tests.acts import (
    back_up,
    backup_set,
    claim,
    compare_as,
    complete,
    export,
    lose_worker,
    policy,
    start_sync,
    sync,
)
from tests.acts import drift as generate_drift
from tests.ledger import failures, findings, only_failure, policies, reload, skipped
from tests.world import World
from workers.producers import inventory_sync
from workers.producers.inventory_sync import InventorySync
from workers.providers import directory, folders
from workers.providers.directory import DirectoryProvider

BATCH = 10
MANY = [policy(f"p{number:02}") for number in range(2 * BATCH + 5)]


class InterruptedProvider(DirectoryProvider):
    """Reads `reads` policies, then raises `interruption` or hangs."""

    def __init__(self, root: Path, reads: int, interruption: Exception | None = None) -> None:
        super().__init__(root)
        self.read_keys: list[str] = []
        self.stuck = asyncio.Event()
        self._reads = reads
        self._interruption = interruption

    async def policies(self, scope_key: str) -> AsyncIterator[Sequence[PolicyDocument | NotTaken]]:
        async for batch in super().policies(scope_key):
            for item in batch:
                if len(self.read_keys) == self._reads:
                    if self._interruption is not None:
                        raise self._interruption
                    self.stuck.set()
                    await asyncio.Event().wait()
                self.read_keys.append(item.key)
                yield [item]


class InterruptedStore:
    """Stores `stores` batches of a snapshot, then raises `interruption` or hangs."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, stores: int, interruption: Exception | None = None
    ) -> None:
        self.stuck = asyncio.Event()
        self._left = stores
        self._interruption = interruption
        self._really_store = repository.store
        monkeypatch.setattr(repository, "store", self._store)

    async def _store(self, *arguments: Any) -> frozenset[str]:
        if not self._left:
            if self._interruption is not None:
                raise self._interruption
            self.stuck.set()
            await asyncio.Event().wait()
        self._left -= 1
        return await self._really_store(*arguments)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_sync, "BATCH", BATCH)


def provide(monkeypatch: pytest.MonkeyPatch, provider: InventoryProvider) -> None:
    monkeypatch.setattr(inventory_sync, "provider_of", lambda *_: provider)


async def stored_ids(world: World, run_id: object) -> list[str]:
    rows = await world.rows(
        "SELECT policy_id FROM opsrun.inventory_policy"
        " WHERE tenant_id = :tenant_id AND run_id = :run_id ORDER BY policy_id",
        run_id=run_id,
    )
    return [row.policy_id for row in rows]


async def item_attempts(world: World, run_id: object) -> dict[str, int]:
    rows = await world.rows(
        "SELECT item_key, attempt FROM opsrun.run_item"
        " WHERE tenant_id = :tenant_id AND run_id = :run_id",
        run_id=run_id,
    )
    return {row.item_key: row.attempt for row in rows}


class TestAFolderOfGoodPolicies:
    async def test_becomes_the_current_state(self, world: World) -> None:
        run = await sync(world, policy("a"), policy("b"))
        assert (run.status, run.status_bucket) == (RunStatus.COMPLETED, StatusBucket.SUCCEEDED)
        assert run.counts == RunCounts(total=2, succeeded=2, failed=0, skipped=0)
        current = await policies(world)
        assert [(p.policy_id, p.name, p.policy_type, p.run_id) for p in current] == [
            ("a", "Policy a", "windows10CompliancePolicy", run.id),
            ("b", "Policy b", "windows10CompliancePolicy", run.id),
        ]

    async def test_makes_the_scope_known(self, world: World) -> None:
        run = await sync(world, policy("a"))
        (scope,) = await world.read(scopes, await world.access())
        assert (scope.key, scope.last_snapshot_run_id) == ("prod", run.id)

    async def test_equal_documents_are_stored_once(self, world: World) -> None:
        for _ in range(2):
            await sync(world, policy("a"), policy("b"))
        documents = await world.rows(
            "SELECT hash FROM opsrun.policy_document WHERE tenant_id = :tenant_id"
        )
        assert len(documents) == 2

    async def test_an_empty_folder_succeeds_with_nothing(self, world: World) -> None:
        export(world)
        run = await sync(world)
        assert run.status_bucket is StatusBucket.SUCCEEDED
        assert run.counts == RunCounts(total=0, succeeded=0, failed=0, skipped=0)
        assert run.progress == 1.0


class TestAPartlyBrokenFolder:
    @pytest.fixture
    async def whole(self, world: World) -> Any:
        return await sync(world, policy("a", minutes=1), policy("old"))

    @pytest.fixture
    async def partial(self, world: World, whole: Any) -> Any:
        folder = export(world, policy("a", minutes=2), policy("new"))
        (folder / "broken.json").write_text('{"id": "broken", ')
        (folder / "utf-16.json").write_bytes(json.dumps(policy("utf-16")).encode("utf-16"))
        (folder / "bom.json").write_bytes(json.dumps(policy("bom")).encode("utf-8-sig"))
        for name in ("twin.json", "twin (copy).json"):
            (folder / name).write_text(json.dumps(policy("twin")))
        return await sync(world)

    async def test_syncs_the_readable_files_and_reports_the_others(
        self, world: World, partial: Any
    ) -> None:
        assert partial.status is RunStatus.COMPLETED_WITH_ERRORS
        assert partial.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
        assert partial.counts == RunCounts(total=7, succeeded=4, failed=3, skipped=0)
        assert await stored_ids(world, partial.id) == ["a", "bom", "new", "utf-16"]
        by_file = await failures(world, partial)
        assert {key: failure.reason for key, failure in by_file.items()} == {
            "broken.json": FailureReason.INVALID_JSON,
            "twin.json": FailureReason.DUPLICATE_ID,
            "twin (copy).json": FailureReason.DUPLICATE_ID,
        }
        assert "line 1, column 18" in by_file["broken.json"].message
        assert "twin (copy).json" in by_file["twin.json"].message
        assert not any(failure.retryable for failure in by_file.values())

    async def test_does_not_become_the_current_state(
        self, world: World, whole: Any, partial: Any
    ) -> None:
        assert [p.policy_id for p in await policies(world)] == ["a", "old"]
        (scope,) = await world.read(scopes, await world.access())
        assert scope.last_snapshot_run_id == whole.id
        run = await back_up(world, await backup_set(world), "old", "new")
        assert run.counts == RunCounts(total=2, succeeded=1, failed=1, skipped=0)
        assert set(await failures(world, run)) == {"prod/new"}

    async def test_is_not_part_of_a_comparison(
        self, world: World, whole: Any, partial: Any
    ) -> None:
        access = await world.access()
        with pytest.raises(UserInputError) as refused:
            await compare_as(world, access, "prod")
        assert refused.value.code is UserErrorCode.NOT_ENOUGH_SNAPSHOTS
        repaired = await sync(world, policy("a", minutes=3), policy("old"))
        run = await generate_drift(world)
        assert (run.context["baselineRunId"], run.context["currentRunId"]) == (
            str(whole.id),
            str(repaired.id),
        )
        (change,) = (await findings(world, run))["a"].changes
        assert (change.path, change.old, change.new) == ("minutes", 1, 3)

    async def test_fails_if_nothing_is_readable(self, world: World) -> None:
        (export(world) / "broken.json").write_text("[]")
        run = await sync(world)
        assert run.status is RunStatus.COMPLETED_WITH_ERRORS
        assert run.status_bucket is StatusBucket.FAILED
        assert (await failures(world, run))["broken.json"].reason == FailureReason.INVALID_POLICY


class TestAMissingFolder:
    async def test_of_the_scope_fails_the_run(self, world: World) -> None:
        run = await sync(world, scope_key="nowhere")
        assert (run.status, run.status_bucket) == (RunStatus.FAILED, StatusBucket.FAILED)
        failure = await only_failure(world, run)
        assert (failure.item_key, failure.reason) == (None, FailureReason.SCOPE_NOT_FOUND)
        assert not failure.retryable

    async def test_in_the_tenants_settings_fails_the_run(self, world: World) -> None:
        await world.write("UPDATE opsrun.tenant SET export_folder = NULL WHERE id = :tenant_id")
        run = await sync(world)
        failure = await only_failure(world, run)
        assert failure.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert "opsrun tenant" in failure.message
        assert failure.retryable

    async def test_of_the_tenant_fails_the_run_and_hides_its_path(self, world: World) -> None:
        await world.write(
            "UPDATE opsrun.tenant SET export_folder = :folder WHERE id = :tenant_id",
            folder=str(world.exports / "secret-mount"),
        )
        run = await sync(world)
        failure = await only_failure(world, run)
        assert failure.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert "secret-mount" not in failure.message


def export_without_policies(world: World, left: str | None) -> None:
    """Leave no folder (None), an empty one ("."), or one with this file."""
    folder = export(world)
    if left is None:
        folder.rmdir()
    elif left != ".":
        (folder / left).write_text("{}")


class TestAnEmptyExport:
    @pytest.fixture
    async def whole(self, world: World) -> OperationRun:
        return await sync(world, policy("a"), policy("b"))

    @pytest.mark.parametrize("left", [None, ".", "readme.txt", "MigrationTable.json"])
    async def test_fails_and_keeps_the_current_state(
        self, world: World, whole: OperationRun, left: str | None
    ) -> None:
        export_without_policies(world, left)
        run = await sync(world)
        assert run.status_bucket is StatusBucket.FAILED
        failure = await only_failure(world, run)
        gone = left is None
        assert failure.item_key is None
        assert failure.reason == (
            FailureReason.SCOPE_NOT_FOUND if gone else FailureReason.SCOPE_EMPTY
        )
        assert gone or "The scope had 2 policies" in failure.message
        assert gone or "`allowEmpty: true`" in failure.message
        assert {policy.run_id for policy in await policies(world)} == {whole.id}

    @pytest.mark.parametrize("left", [None, ".", "MigrationTable.json"])
    async def test_becomes_the_current_state_if_the_user_allows_it(
        self, world: World, whole: OperationRun, left: str | None
    ) -> None:
        export_without_policies(world, left)
        run = await sync(world, allow_empty=True)
        assert run.status_bucket is StatusBucket.SUCCEEDED
        assert run.context == {"scopeKey": "prod", "allowEmpty": True}
        assert await policies(world) == []
        removed = await findings(world, await generate_drift(world))
        assert {finding.kind for finding in removed.values()} == {DriftKind.REMOVED}
        assert set(removed) == {"a", "b"}
        # From now on, the scope has no policies to lose.
        export(world)
        assert (await sync(world)).status_bucket is StatusBucket.SUCCEEDED

    async def test_fails_in_a_second_attempt_as_well(
        self, world: World, monkeypatch: pytest.MonkeyPatch, whole: OperationRun
    ) -> None:
        export(world, *MANY)
        started = await start_sync(world)
        with monkeypatch.context() as lost:
            InterruptedStore(lost, 1, LeaseLostError())
            await world.work(started)
        export(world)
        await lose_worker(world, started.run.id)
        run = await complete(world, started)
        assert run.status_bucket is StatusBucket.FAILED
        assert (await failures(world, run))[None].reason == FailureReason.SCOPE_EMPTY
        assert {policy.run_id for policy in await policies(world)} == {whole.id}


class TestFilesThatAreNotPolicies:
    async def test_are_skipped_by_name(self, world: World) -> None:
        folder = export(world, policy("a"))
        (folder / "MigrationTable.json").write_text('{"TenantId": "t"}')
        (folder / "a_Settings.json").write_text(json.dumps("[]"))
        (folder / "._a.json").write_bytes(b"\0\5\26\7")
        (folder / ".vscode").mkdir()
        (folder / ".vscode" / "settings.json").write_text("// editor")
        run = await sync(world)
        assert run.status_bucket is StatusBucket.SUCCEEDED
        assert run.counts == RunCounts(total=5, succeeded=1, failed=0, skipped=4)
        assert await skipped(world, run) == {
            "._a.json": "Ignored by default: .*",
            ".vscode": "Ignored by default: .*",
            "MigrationTable.json": "Ignored by default: MigrationTable.json",
            "a_Settings.json": "Ignored by default: a policy's settings beside it.",
        }

    async def test_can_be_ignored_by_the_ignore_file(self, world: World) -> None:
        folder = export(world, policy("a"), policy("twin"))
        (folder / "twin (old).json").write_text(json.dumps(policy("twin")))
        (folder / "unreadable.json").write_text("{")
        assert (await sync(world)).status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
        ignore = world.exports / ".opsrunignore"
        ignore.write_text("# known problems\nprod/twin (old).json\n/prod/unread*.json\n")
        run = await sync(world)
        assert run.status_bucket is StatusBucket.SUCCEEDED
        assert await skipped(world, run) == {
            "twin (old).json": "Ignored in .opsrunignore: prod/twin (old).json",
            "unreadable.json": "Ignored in .opsrunignore: /prod/unread*.json",
        }

    async def test_are_not_read_with_an_invalid_ignore_file(self, world: World) -> None:
        export(world, policy("a"))
        (world.exports / ".opsrunignore").write_bytes(b"caf\xe9.json\n")
        run = await sync(world)
        failure = await only_failure(world, run)
        assert (failure.item_key, failure.reason) == (None, FailureReason.INVALID_IGNORE_FILE)
        assert "save it as UTF-8" in failure.message


async def test_a_duplicate_is_named_even_if_its_name_looks_like_a_secret(world: World) -> None:
    names = ("Win - U - Password: summer2024.json", "q7Zp2LkV9xTb4WmR8sYc1NfH6dJg3Ka0.json")
    folder = export(world)
    for name in names:
        (folder / name).write_text(json.dumps(policy("twin")))
    by_file = await failures(world, await sync(world))
    for name, other in (names, names[::-1]):
        assert other in by_file[name].message


class TestASecondAttempt:
    async def test_continues_after_the_items_of_a_dead_worker(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = export(world, *MANY)
        (folder / "p03.json").write_text("{")
        started = await start_sync(world)
        execution = await claim(world, started.run.id)
        with monkeypatch.context() as lost:
            first = InterruptedStore(lost, 1)
            first_attempt = asyncio.create_task(InventorySync().run(execution))
            async with asyncio.timeout(10):
                await first.stuck.wait()
            first_attempt.cancel()
            await asyncio.wait([first_attempt])
        halfway = await reload(world, started.run.id)
        assert halfway.counts == RunCounts(total=25, succeeded=BATCH - 1, failed=1, skipped=0)

        await lose_worker(world, started.run.id)
        second = InterruptedProvider(world.exports, reads=len(MANY))
        provide(monkeypatch, second)
        await world.work(started)

        run = await reload(world, started.run.id)
        assert (run.status_bucket, run.attempt) == (StatusBucket.PARTIALLY_SUCCEEDED, 2)
        assert run.counts == RunCounts(total=25, succeeded=24, failed=1, skipped=0)
        assert second.read_keys == [f"p{number:02}.json" for number in range(25)], "each once"
        assert len(await stored_ids(world, run.id)) == 24
        attempts = await item_attempts(world, run.id)
        assert [attempts[f"p{number:02}.json"] for number in range(25)] == [1] * BATCH + [2] * 15
        assert set(await failures(world, run)) == {"p03.json"}

    async def test_counts_files_that_were_added_or_removed_in_between(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = export(world, *MANY)
        started = await start_sync(world)
        with monkeypatch.context() as lost:
            InterruptedStore(lost, 1, LeaseLostError())
            await world.work(started)
        (folder / "p00.json").unlink()
        (folder / "p20.json").unlink()
        (folder / "p01.json").rename(folder / "renamed.json")
        await lose_worker(world, started.run.id)
        run = await complete(world, started)
        # Ten were stored; 14 of the 15 others are left, and one of the ten has a new name.
        assert run.counts == RunCounts(total=25, succeeded=24, failed=1, skipped=0)
        by_file = await failures(world, run)
        assert by_file["renamed.json"].reason == FailureReason.DUPLICATE_ID

    async def test_is_not_disturbed_by_the_first_worker(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        export(world, *MANY)
        started = await start_sync(world)
        execution = await claim(world, started.run.id)
        slow = InterruptedProvider(world.exports, reads=BATCH)
        provide(monkeypatch, slow)
        first_attempt = asyncio.create_task(InventorySync().run(execution))
        async with asyncio.timeout(10):
            await slow.stuck.wait()
        await lose_worker(world, started.run.id)
        monkeypatch.undo()
        before = await complete(world, started)
        assert before.counts.succeeded == len(MANY)
        with pytest.raises(LeaseLostError):
            async with execution.batch() as batch:
                batch.succeeded("late.json")
        with pytest.raises(LeaseLostError):
            await execution.set_total(1)
        assert (await reload(world, started.run.id)).version == before.version
        first_attempt.cancel()
        await asyncio.wait([first_attempt])


async def test_a_file_that_changes_during_the_sync_fails_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(world, policy("a"), policy("b"))

    really_read = folders.read_file

    def read_shifted(root: Path, path: Sequence[str]) -> bytes:
        export(world, policy("b"))
        return really_read(root, path)

    monkeypatch.setattr(directory, "read_file", read_shifted)
    run = await sync(world)
    assert run.status_bucket is StatusBucket.PARTIALLY_SUCCEEDED
    failure = (await failures(world, run))["a.json"]
    assert (failure.reason, failure.retryable) == (FailureReason.CHANGED_WHILE_READING, True)


async def test_progress_is_reported_after_every_batch(world: World) -> None:
    run = await sync(world, *MANY)
    events = await world.read(reading.events, await world.access(), [run.id], after=None, limit=100)
    progress = [
        (event.kind, event.run.counts.processed, event.run.counts.total) for event in events[run.id]
    ]
    assert progress == [
        ("RUN_QUEUED", 0, None),
        ("RUN_STARTED", 0, None),
        ("RUN_PROGRESSED", 0, 25),
        ("RUN_PROGRESSED", 10, 25),
        ("RUN_PROGRESSED", 20, 25),
        ("RUN_PROGRESSED", 25, 25),
        ("RUN_FINISHED", 25, 25),
    ]


async def test_many_small_policies_report_progress_a_few_times(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    count = 1500
    folder = export(world)
    for number in range(count):
        (folder / f"{number:04}.json").write_text(json.dumps(policy(f"p{number}")))
    run = await sync(world)
    assert run.status_bucket is StatusBucket.SUCCEEDED
    assert run.counts == RunCounts(total=count, succeeded=count, failed=0, skipped=0)
    assert len(await stored_ids(world, run.id)) == count
    assert len(await item_attempts(world, run.id)) == count
    events = await world.read(reading.events, await world.access(), [run.id], after=None, limit=100)
    assert len(events[run.id]) < 25
