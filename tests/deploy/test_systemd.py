"""The systemd units are valid, contained, and wait long enough for their processes."""

import re
import shutil
from configparser import ConfigParser
from pathlib import Path

import pytest

from opsrun.settings import PREFIX, Settings
from tests.deploy.files import (
    DEPLOY,
    PROCESSES,
    REPOSITORY,
    call,
    environment_file,
    seconds_to_stop,
)

UNITS = DEPLOY / "systemd"
NAMES = [path.name.replace("@.", "@9501.") for path in sorted(UNITS.glob("*.service"))]
ANALYZE = shutil.which("systemd-analyze")
# `systemd-analyze security` counts from 0, contained, to 10.
HIGHEST_EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def service(name: str) -> dict[str, str]:
    """Return the last value of each option in the section [Service]."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name)
    return dict(parser["Service"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system with the units, systemd's own, and a program."""
    program = tmp_path / "opt" / "opsrun" / "bin" / "opsrun"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/true", program)
    shutil.copytree(UNITS, tmp_path / "etc" / "systemd" / "system")
    own = tmp_path / "usr" / "lib" / "systemd" / "system"
    own.mkdir(parents=True)
    for target in Path("/lib/systemd/system").glob("*.target"):
        shutil.copy(target, own)
    return tmp_path


def verify(root: Path) -> str:
    assert ANALYZE is not None
    return call(ANALYZE, "verify", f"--root={root}", *NAMES)


@needs_systemd
def test_systemd_accepts_the_units(root: Path) -> None:
    assert len(NAMES) == 4
    assert verify(root) == ""
    unit = root / "etc" / "systemd" / "system" / "opsrun-api.service"
    unit.write_text(unit.read_text().replace("RestartSec", "RestartSecs"))
    assert "RestartSecs" in verify(root)


@needs_systemd
@pytest.mark.parametrize("name", NAMES)
def test_the_units_are_contained(root: Path, name: str) -> None:
    assert ANALYZE is not None
    report = call(ANALYZE, "security", "--offline=yes", "--no-pager", f"--root={root}", name)
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", report)
    assert exposure is not None
    assert float(exposure[1]) <= HIGHEST_EXPOSURE, report


@pytest.mark.parametrize("process", PROCESSES)
def test_systemd_waits_longer_than_the_process_needs_to_stop(process: str) -> None:
    name = f"opsrun-{process}{'@' if process == 'worker' else ''}.service"
    variables = environment_file(UNITS / "opsrun.env")
    assert int(service(name)["TimeoutStopSec"]) > seconds_to_stop(process, variables)


def test_every_process_of_the_guide_has_its_metrics_port() -> None:
    guide = (REPOSITORY / "docs" / "deployment.md").read_text()
    [started] = re.findall(r"^systemctl enable --now (.+)$", guide, re.MULTILINE)
    [workers] = re.findall(r"opsrun-worker@\{(.+)\}", started)
    option = "OPSRUN_METRICS_PORT="
    assert service("opsrun-worker@.service")["Environment"] == f"{option}%i"
    ports = [
        service(f"opsrun-{process}.service")["Environment"].removeprefix(option)
        for process in ("api", "maintenance")
    ]
    ports += workers.split(",")
    assert len(ports) == len({*ports}) == 4
    assert all(1024 <= int(port) <= 65535 for port in ports)


def test_passwords_are_credentials_and_settings_exist() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    text = "".join(path.read_text() for path in UNITS.rglob("*") if path.is_file())
    assert set(re.findall(r"OPSRUN_[A-Z_]+", text)) <= known
    for path in UNITS.glob("*.service"):
        credentials = re.findall(
            r"^LoadCredential=(\w+):/etc/opsrun/(\w+)/\1$", path.read_text(), re.M
        )
        kind = re.search(r"ExecStart=/opt/opsrun/bin/opsrun (\w+)", path.read_text())
        assert kind is not None
        names = {"OPSRUN_DATABASE_URL"} | ({"OPSRUN_REDIS_URL"} if kind[1] in PROCESSES else set())
        assert {*credentials} == {(name, kind[1]) for name in names}
