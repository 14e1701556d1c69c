import os
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError
from opsrun.dev.embedded.folder import MARKER, claimed_folder
from tests.opsrun.dev.embedded.observing import mode, needs_root


def test_a_claim_makes_a_new_folder_and_keeps_its_passwords(data_folder: Path) -> None:
    with claimed_folder(data_folder / "nested") as first:
        assert mode(first.path / MARKER) == 0o600
        assert first.postgres_password not in repr(first)
    with claimed_folder(data_folder / "nested") as second:
        assert second.postgres_password == first.postgres_password
        assert second.valkey_password == first.valkey_password
        assert second.postgres_password != second.valkey_password


def test_a_folder_in_use_is_refused_and_free_again_afterwards(data_folder: Path) -> None:
    with (
        claimed_folder(data_folder),
        pytest.raises(EmbeddedServerError, match=f"pid {os.getpid()}"),
        claimed_folder(data_folder),
    ):
        pass
    with claimed_folder(data_folder):
        pass


def test_a_foreign_folder_is_refused_and_untouched(data_folder: Path) -> None:
    data_folder.mkdir(mode=0o755)
    (data_folder / "letter.txt").write_text("precious")
    before = data_folder.stat()
    with pytest.raises(EmbeddedServerError, match="not empty"), claimed_folder(data_folder):
        pass
    assert [path.name for path in data_folder.iterdir()] == ["letter.txt"]
    after = data_folder.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_an_empty_folder_keeps_its_permissions(data_folder: Path) -> None:
    data_folder.mkdir(mode=0o700)
    with claimed_folder(data_folder):
        assert mode(data_folder) == 0o700


def test_a_first_claim_killed_before_its_marker_was_complete_blocks_nothing(
    data_folder: Path,
) -> None:
    data_folder.mkdir()
    (data_folder / f"{MARKER}.new").write_text('{"postg')
    with claimed_folder(data_folder) as folder:
        assert folder.postgres_password


@pytest.mark.parametrize("content", ["", "[]", '{"postgres": "x"}'])
def test_a_damaged_marker_is_refused(data_folder: Path, content: str) -> None:
    data_folder.mkdir()
    (data_folder / MARKER).write_text(content)
    with pytest.raises(EmbeddedServerError, match="damaged"), claimed_folder(data_folder):
        pass


def test_a_file_in_the_place_of_the_folder_is_refused(data_folder: Path) -> None:
    data_folder.write_text("a file")
    with pytest.raises(EmbeddedServerError, match="Cannot use"), claimed_folder(data_folder):
        pass


@needs_root
def test_a_folder_of_another_user_is_refused(data_folder: Path) -> None:
    data_folder.mkdir()
    os.chown(data_folder, 12345, 12345)
    with pytest.raises(EmbeddedServerError, match="uid 12345"), claimed_folder(data_folder):
        pass
    assert not list(data_folder.iterdir())
