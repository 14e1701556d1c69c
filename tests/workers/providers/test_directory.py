"""The directory provider reads any folder of exports without a crash, a loss or a leak."""

import asyncio
import json
import os
import socket
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from domain.inventory.models import PolicyRecord
from domain.inventory.provider import InventoryProvider, NotTaken
from domain.inventory.records import prepare
from domain.runs.failures import FailureReason, ProducerError
from workers.bounded_threads import BoundedThreads
from workers.providers import directory, folders
from workers.providers.directory import DirectoryProvider

Refusal = tuple[str, str]


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    """An empty scope `prod`; a folder with a secret is outside its root."""
    folder = tmp_path / "server-secret-root" / "prod"
    folder.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    put(tmp_path / "outside" / "secret.json", "secret")
    return folder


@pytest.fixture
def provider(scope: Path) -> DirectoryProvider:
    return DirectoryProvider(scope.parent)


def put(path: Path, policy_id: str, *, encoding: str = "utf-8", name: str = "Firewall") -> None:
    body = {"@odata.type": "#microsoft.graph.demoPolicy", "id": policy_id, "displayName": name}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(body).encode(encoding))


def point(link: Path, target: str) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


async def read(
    provider: InventoryProvider, scope_key: str = "prod"
) -> dict[str, PolicyRecord | NotTaken]:
    """Return the items of a scope by key, as a sync records them."""
    items = [item async for batch in provider.policies(scope_key) for item in prepare(batch)[0]]
    assert [item.key for item in items] == sorted({item.key for item in items})
    return {item.key: item for item in items}


async def document(provider: InventoryProvider, key: str, scope_key: str = "prod") -> PolicyRecord:
    item = (await read(provider, scope_key))[key]
    assert isinstance(item, PolicyRecord), item
    return item


async def listed(provider: InventoryProvider) -> dict[str, str | Refusal]:
    """Return by key the policy id of each item of `prod`, or its failure."""
    outcome: dict[str, str | Refusal] = {}
    for key, item in (await read(provider)).items():
        if isinstance(item, PolicyRecord):
            outcome[key] = item.policy_id
        else:
            assert item.failure
            assert "server-secret-root" not in item.failure.message
            outcome[key] = (item.failure.reason, item.failure.message)
    return outcome


def reason(outcome: str | Refusal) -> str:
    assert isinstance(outcome, tuple)
    return outcome[0]


async def test_every_json_file_at_any_depth_is_a_policy(
    scope: Path, provider: DirectoryProvider
) -> None:
    put(scope / "Compliance" / "Windows" / "a.JSON", "p-a")
    put(scope / "b.json", "p-b")
    put(scope / "folder.json" / "c.Json", "p-c")
    (scope / "README.md").write_text("not a policy")
    (scope / "json").write_text("not a policy")
    assert await listed(provider) == {
        "Compliance/Windows/a.JSON": "p-a",
        "b.json": "p-b",
        "folder.json/c.Json": "p-c",
    }
    first = await document(provider, "Compliance/Windows/a.JSON")
    assert (first.key, first.policy_id) == ("Compliance/Windows/a.JSON", "p-a")
    assert (first.name, first.policy_type) == ("Firewall", "demoPolicy")


async def test_both_unicode_forms_of_a_name_are_one_scope(
    scope: Path, provider: DirectoryProvider
) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD"))
    put(scope.parent / decomposed / "a.json", "p-a")
    # A link with the other form leads to the same folder.
    (scope.parent / composed).symlink_to(decomposed)
    assert await provider.scopes() == sorted([composed, "prod"])
    assert (await document(provider, "a.json", composed)).policy_id == "p-a"

    (scope.parent / composed).unlink()
    put(scope.parent / composed / "b.json", "p-b")
    with pytest.raises(ProducerError) as caught:
        await read(provider, composed)
    assert caught.value.reason == FailureReason.SCOPE_AMBIGUOUS


async def test_an_empty_scope_has_no_items(provider: DirectoryProvider) -> None:
    assert await provider.scopes() == ["prod"]
    assert await listed(provider) == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-le", "utf-32"])
async def test_other_encodings_are_read(
    scope: Path, provider: DirectoryProvider, encoding: str
) -> None:
    put(scope / "a.json", "p-a", encoding=encoding, name="Büro")
    assert await listed(provider) == {"a.json": "p-a"}
    assert (await document(provider, "a.json")).name == "Büro"


async def test_a_broken_file_fails_alone(scope: Path, provider: DirectoryProvider) -> None:
    put(scope / "good.json", "p-good")
    (scope / "cut.json").write_text('{"id": ')
    (scope / "empty.json").write_bytes(b"")
    (scope / "list.json").write_text("[]")
    (scope / "nameless.json").write_text('{"id": "p-1"}')
    outcome = await listed(provider)
    assert outcome["good.json"] == "p-good"
    assert outcome["cut.json"] == (
        FailureReason.INVALID_JSON,
        "Expecting value at line 1, column 8 (read as utf-8).",
    )
    assert reason(outcome["empty.json"]) is FailureReason.INVALID_JSON
    assert reason(outcome["list.json"]) is FailureReason.INVALID_POLICY
    assert reason(outcome["nameless.json"]) is FailureReason.INVALID_POLICY


async def test_links_out_of_the_scope_fail_and_are_not_followed(
    scope: Path, provider: DirectoryProvider, tmp_path: Path
) -> None:
    (scope / "file.json").symlink_to(tmp_path / "outside" / "secret.json")
    (scope / "folder").symlink_to(tmp_path / "outside")
    (scope / "gone.json").symlink_to(tmp_path / "outside" / "gone.json")
    (scope / "up").symlink_to("..")
    (scope / "notes.txt").symlink_to(tmp_path / "outside" / "secret.json")
    outcome = await listed(provider)
    assert sorted(outcome) == ["file.json", "folder", "gone.json", "up"]
    assert {reason(value) for value in outcome.values()} == {FailureReason.OUTSIDE_SCOPE}


async def test_links_inside_the_scope_count_once(scope: Path, provider: DirectoryProvider) -> None:
    put(scope / "sub" / "a.json", "p-a")
    (scope / "alias.json").symlink_to("sub/a.json")
    (scope / "again").symlink_to("sub")
    (scope / "sub" / "loop").symlink_to("..")
    (scope / "sub" / "self").symlink_to("self")
    assert await listed(provider) == {"sub/a.json": "p-a"}


async def test_links_to_unlisted_or_missing_files_fail(
    scope: Path, provider: DirectoryProvider
) -> None:
    (scope / "policy.bak").write_text("{}")
    (scope / "backup.json").symlink_to("policy.bak")
    (scope / "gone.json").symlink_to("missing.json")
    (scope / "loop.json").symlink_to("loop.json")
    outcome = await listed(provider)
    assert {key: reason(value) for key, value in outcome.items()} == dict.fromkeys(
        ["backup.json", "gone.json", "loop.json"], FailureReason.UNREADABLE_FILE
    )


async def test_pipes_and_sockets_are_not_opened(
    scope: Path, provider: DirectoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(scope / "pipe.json")
    os.mkfifo(scope / "pipe")
    monkeypatch.chdir(scope)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.json")
        outcome = await listed(provider)
    assert {key: reason(value) for key, value in outcome.items()} == dict.fromkeys(
        ["pipe.json", "socket.json"], FailureReason.UNREADABLE_FILE
    )


async def test_a_file_over_16_mib_is_not_read(scope: Path, provider: DirectoryProvider) -> None:
    put(scope / "a.json", "p-a")
    with (scope / "huge.json").open("wb") as file:
        file.truncate(16 * 1024**2 + 1)
    outcome = await listed(provider)
    assert outcome == {
        "a.json": "p-a",
        "huge.json": (FailureReason.FILE_TOO_LARGE, "The file is larger than 16 MiB."),
    }


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS takes only UTF-8 names")
async def test_a_name_that_is_not_text_gets_a_printable_key(
    scope: Path, provider: DirectoryProvider
) -> None:
    for name, policy_id in ((b"caf\xe9.json", "p-1"), (b"caf\\udce9.json", "p-2")):
        put(scope / os.fsdecode(name), policy_id)
    put(scope / "two\nlines\u202e.json", "p-3")
    outcome = await listed(provider)
    assert outcome == {
        "caf\\\\udce9.json": "p-2",
        "caf\\udce9.json": "p-1",
        "two\\nlines\\u202e.json": "p-3",
    }
    assert (await document(provider, "caf\\udce9.json")).policy_id == "p-1"


async def test_a_very_long_path_gets_a_key_that_fits(
    scope: Path, provider: DirectoryProvider
) -> None:
    folder = scope.joinpath("x" * 200, "y" * 200, "z" * 200)
    put(folder / "a.json", "p-a")
    put(folder / "b.json", "p-b")
    outcome = await listed(provider)
    assert sorted(map(str, outcome.values())) == ["p-a", "p-b"]
    for key, policy_id in outcome.items():
        assert len(key) <= 500
        assert (await document(provider, key)).policy_id == policy_id


async def test_folders_that_cannot_be_listed_fail_alone(
    scope: Path, provider: DirectoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(scope / "a.json", "p-a")
    put(scope / "locked" / "b.json", "p-b")
    put(scope.joinpath(*"d" * 33) / "c.json", "p-c")
    really_open = os.open

    # Permissions do not restrict root, who runs the tests in containers.
    def refuse(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if path == "locked":
            raise PermissionError(13, "Permission denied", str(scope / "locked"))
        return really_open(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    assert await listed(provider) == {
        "a.json": "p-a",
        "/".join("d" * 33): (
            FailureReason.UNREADABLE_FILE,
            "Folders are read at most 32 levels deep.",
        ),
        "locked": (FailureReason.UNREADABLE_FILE, "It cannot be read: Permission denied."),
    }


async def test_only_real_subfolders_with_plain_names_are_scopes(
    scope: Path, provider: DirectoryProvider, tmp_path: Path
) -> None:
    root = scope.parent
    for name in ("Test 2", ".hidden", "a:b", ".versions/7"):
        (root / name).mkdir(parents=True)
    (root / "file").write_text("")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "self").symlink_to(".")
    (root / "loop").symlink_to("loop")
    (root / "swapped").symlink_to(".versions/7")
    assert await provider.scopes() == ["Test 2", "prod", "swapped"]


@pytest.mark.parametrize(
    "key", ["missing", "out", "..", ".", "", "../outside", "prod/sub", ".hidden", "/", "prod\0"]
)
async def test_no_other_path_is_a_scope(
    scope: Path, provider: DirectoryProvider, tmp_path: Path, key: str
) -> None:
    (scope / "sub").mkdir()
    (scope.parent / ".hidden").mkdir()
    (scope.parent / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(ProducerError) as caught:
        await read(provider, key)
    assert caught.value.reason == FailureReason.SCOPE_NOT_FOUND


async def test_a_missing_root_is_an_outage(tmp_path: Path) -> None:
    provider = DirectoryProvider(tmp_path / "server-secret-root")
    for call in (provider.scopes(), read(provider)):
        with pytest.raises(ProducerError) as caught:
            await call
        assert caught.value.reason == FailureReason.PROVIDER_UNAVAILABLE
        assert "server-secret-root" not in caught.value.message


def remove(path: Path, _: Path) -> None:
    path.unlink()


def replace_by_another(path: Path, _: Path) -> None:
    put(path, "p-other")


def replace_by_a_link(path: Path, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside / "secret.json")


def replace_by_a_pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_folder_by_a_link(path: Path, outside: Path) -> None:
    path.parent.rename(path.parent.with_name("aside"))
    path.parent.symlink_to(outside)
    put(outside / path.name, "p-a")


def grow(path: Path, _: Path) -> None:
    os.truncate(path, 16 * 1024**2 + 1)


def break_json(path: Path, _: Path) -> None:
    path.write_text("{")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (remove, FailureReason.CHANGED_WHILE_READING),
        (replace_by_another, "p-other"),
        (replace_by_a_link, FailureReason.CHANGED_WHILE_READING),
        (replace_folder_by_a_link, FailureReason.CHANGED_WHILE_READING),
        (replace_by_a_pipe, FailureReason.UNREADABLE_FILE),
        (grow, FailureReason.FILE_TOO_LARGE),
        (break_json, FailureReason.INVALID_JSON),
    ],
)
async def test_a_change_after_the_listing_is_noticed(
    scope: Path,
    provider: DirectoryProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path], None],
    expected: FailureReason | str,
) -> None:
    put(scope / "sub" / "a.json", "p-a")
    really_read = folders.read_file

    def read_changed(root: Path, path: Sequence[str]) -> bytes:
        change(scope / "sub" / "a.json", tmp_path / "outside")
        return really_read(root, path)

    monkeypatch.setattr(directory, "read_file", read_changed)
    outcome = (await asyncio.wait_for(listed(provider), 10))["sub/a.json"]
    assert (outcome if isinstance(outcome, str) else reason(outcome)) == expected


async def test_a_file_that_vanishes_during_the_listing_fails(
    scope: Path, provider: DirectoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(scope / "a.json", "p-a")
    put(scope / "b.json", "p-b")
    really_open = os.open

    def vanish(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        if path == "a.json":
            (scope / "a.json").unlink()
        return really_open(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", vanish)
    outcome = await listed(provider)
    assert reason(outcome["a.json"]) is FailureReason.CHANGED_WHILE_READING
    assert outcome["b.json"] == "p-b"


async def test_a_swapped_folder_is_read_as_it_was_listed(
    scope: Path, provider: DirectoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = scope.parent / ".versions"
    put(versions / "1" / "a.json", "p-a", name="Old")
    put(versions / "2" / "a.json", "p-a", name="New")
    scope.rmdir()  # noqa: ASYNC240
    point(scope, ".versions/1")
    really_read = folders.read_file

    def read_swapped(root: Path, path: Sequence[str]) -> bytes:
        point(scope, ".versions/2")
        return really_read(root, path)

    monkeypatch.setattr(directory, "read_file", read_swapped)
    assert (await document(provider, "a.json")).name == "Old"
    assert (await document(provider, "a.json")).name == "New"


async def test_each_file_is_opened_once(
    scope: Path, provider: DirectoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        put(scope / f"{number}.json", f"p-{number}")
    opened: list[str] = []
    really_open = os.open

    def record(path: str, flags: int, *args: int, dir_fd: int | None = None) -> int:
        opened.append(path)
        return really_open(path, flags, *args, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", record)
    assert len(await listed(provider)) == 5
    files = [path for path in opened if str(path).endswith(".json")]
    assert files == [f"{number}.json" for number in range(5)]


async def test_batches_are_bounded_by_bytes_and_by_number(
    scope: Path, provider: DirectoryProvider
) -> None:
    for number in range(6):
        put(scope / f"large-{number}.json", f"l-{number}", name="x" * 1000)
        with (scope / f"large-{number}.json").open("a") as file:
            file.write(" " * 400_000)
    batches = [len(batch) async for batch in provider.policies("prod")]
    assert sum(batches) == 6
    assert max(batches) <= 3
    for number in range(550):
        put(scope / f"small-{number}.json", f"s-{number}")
    batches = [len(batch) async for batch in provider.policies("prod")]
    assert sum(batches) == 556
    assert max(batches) <= 512


async def test_a_folder_that_hangs_times_out(scope: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(scope / "a.json", "p-a")
    go_on = threading.Event()
    monkeypatch.setattr(directory, "read_file", lambda *_: go_on.wait() and b"{}")
    threads = BoundedThreads(0.2, per_group=1)
    hanging = DirectoryProvider(scope.parent, threads)
    try:
        for message in ("did not answer within 0.2 seconds", "earlier reads on this worker"):
            with pytest.raises(ProducerError, match=message) as caught:
                await read(hanging)
            assert caught.value.reason == FailureReason.PROVIDER_UNAVAILABLE
        with pytest.raises(ProducerError):
            await hanging.scopes()
    finally:
        go_on.set()


async def test_descriptors_are_closed(
    scope: Path, provider: DirectoryProvider, tmp_path: Path
) -> None:
    put(scope / "sub" / "a.json", "p-a")
    os.mkfifo(scope / "sub" / "pipe.json")
    (scope / "sub" / "out").symlink_to(tmp_path)
    await read(provider)
    before = open_descriptors()
    for _ in range(3):
        await read(provider)
    assert open_descriptors() == before
