"""The Makefile on incomplete machines, and its clean-up."""

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MAKE = shutil.which("make")

pytestmark = pytest.mark.skipif(MAKE is None, reason="make is not installed")

# A fake Python without the modules that Debian packages separately.
_PYTHON = """#!/bin/sh
case "$2" in
*version_info*) exit {old} ;;
*ensurepip*) exit {bare} ;;
esac
[ "$1" = --version ] && echo "Python 3.9.2"
"""


def make(folder: Path, *arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    assert MAKE is not None
    return subprocess.run(  # noqa: S603
        [MAKE, "--no-print-directory", "-f", REPOSITORY / "Makefile", *arguments],
        cwd=folder,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def programs(folder: Path, python: str | None) -> str:
    """Return a PATH with the usual shell programs and this python3."""
    tools = folder / "tools"
    tools.mkdir()
    for name in ("sh", "echo", "rm", "grep", "sed", "expand"):
        program = shutil.which(name)
        assert program is not None
        (tools / name).symlink_to(program)
    if python is not None:
        (tools / "python3").write_text(python)
        (tools / "python3").chmod(0o755)
    return str(tools)


@pytest.mark.parametrize(
    ("python", "says"),
    [
        (None, "Opsrun needs Python 3.11 or newer as python3."),
        (_PYTHON.format(old=1, bare=0), "as python3; this is Python 3.9.2."),
        (_PYTHON.format(old=0, bare=1), "On Debian and Ubuntu: apt install python3-venv"),
    ],
)
def test_an_unusable_python_is_reported_in_a_sentence(
    tmp_path: Path, python: str | None, says: str
) -> None:
    refused = make(tmp_path, ".venv/bin/python", path=programs(tmp_path, python))
    assert refused.returncode != 0
    assert says in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not (tmp_path / ".venv").exists()


def test_clean_removes_the_output_of_tools_and_keeps_the_rest(tmp_path: Path) -> None:
    hub = tmp_path / "client-examples" / "web-hub"
    for made in (
        ".venv",
        "dist",
        "client-examples/web-hub/node_modules",
        "client-examples/web-hub/build",
    ):
        (tmp_path / made / "deep").mkdir(parents=True)
    for kept in (hub / "src", tmp_path / ".opsrun"):
        kept.mkdir()
    assert make(tmp_path, "clean", path=programs(tmp_path, None)).returncode == 0
    assert sorted(path.name for path in hub.iterdir()) == ["src"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".opsrun",
        "client-examples",
        "tools",
    ]


def test_every_target_is_explained_in_a_line(tmp_path: Path) -> None:
    lines = make(tmp_path, "help", path=programs(tmp_path, None)).stdout.splitlines()
    assert len(lines) > 10
    assert any(line.startswith("dev ") and "--exports" in line for line in lines)
