"""The clients' packages: installed once per run of the tests, while other tests run.

Each installation is a session fixture with the name of its key in `INSTALLATIONS`. As soon as the
tests are collected, one process installs what they need; a test that comes earlier waits.

    python -m tests.installing FOLDER NAME...
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opsrun.dev.embedded.child import end_with_owner
from tests.nodejs import CHROMIUM, LACK_OF_NODE

ROOT = Path(__file__).parents[1]
CONTRACT = ROOT / "tests" / "contract"
PYTHON_PACKAGE = CONTRACT / "python-client"
DEPLOY = ROOT / "tests" / "deploy"
SIDE_BY_SIDE = 2
_INSTALLER = pytest.StashKey["subprocess.Popen[bytes]"]()
_GENERATED = shutil.ignore_patterns(
    ".venv", "node_modules", "build", "gql", "opsrun_client", "__pycache__", ".*_cache"
)


def call(folder: Path, *command: str | Path) -> None:
    """Run a command; an AssertionError holds its output if it fails."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}"


def copied(name: str, parent: Path) -> Path:
    """Copy an example's sources, and `schema.graphql` to where it looks; return its folder."""
    shutil.copy(ROOT / "schema.graphql", parent)
    example = Path("client-examples") / name
    return Path(shutil.copytree(ROOT / example, parent / example, ignore=_GENERATED))


def _tools(_: Path) -> Path:
    call(ROOT, "make", "contract-tools")
    return CONTRACT


def _locked_packages(lock: Path, parent: Path) -> Path:
    call(parent, sys.executable, "-m", "venv", parent / "venv")
    pip = ("venv/bin/python", "-m", "pip", "install", "--quiet", "--require-hashes")
    call(parent, *pip, "-r", lock)
    return parent / "venv"


def _custom_resources(parent: Path) -> Path:
    for name in ("package.json", "package-lock.json", ".npmrc", "custom_resources.mjs"):
        shutil.copy(DEPLOY / name, parent)
    call(parent, "npm", "ci")
    return parent / "custom_resources.mjs"


def _python_example(name: str, parent: Path) -> Path:
    folder = copied(name, parent)
    call(folder, sys.executable, "-m", "venv", ".venv")
    call(folder, ".venv/bin/python", "-m", "pip", "install", "--quiet", ".[check]")
    call(folder, ".venv/bin/ariadne-codegen")
    return folder


def _node_example(name: str, commands: Sequence[str], parent: Path) -> Path:
    folder = copied(name, parent)
    for command in commands:
        call(folder, "npm", *command.split())
    return folder


def _graphiql(parent: Path) -> Path:
    _node_example("graphiql", ["ci", "run check", "run build"], parent)
    return parent / "gql" / "transport" / "graphiql_files"


INSTALLATIONS: dict[str, Callable[[Path], Path]] = {
    "tools": _tools,
    "web_hub": partial(_node_example, "web-hub", ["ci", "run check", "run test", "run build"]),
    "typescript_client": partial(
        _node_example, "typescript-client", ["ci", "run check", "run prestart"]
    ),
    "graphiql_files": _graphiql,
    "python_package": partial(_locked_packages, PYTHON_PACKAGE / "requirements.lock"),
    "python_client": partial(_python_example, "python-client"),
    "terminal_watch": partial(_python_example, "terminal-watch"),
    "linters": partial(_locked_packages, DEPLOY / "requirements.lock"),
    "custom_resources": _custom_resources,
}
# What comes from the npm registry.
FROM_NPM = ("tools", "web_hub", "typescript_client", "graphiql_files", "custom_resources")


def install(folder: Path, name: str) -> Path:
    """Install it if no other process has done so, and return where it is.

    Raises:
        AssertionError: it failed, here or elsewhere; holds the output.
    """
    place, result, failure = (folder / f"{name}{end}" for end in ("", ".done", ".failed"))
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (result.exists() or failure.exists()):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            try:
                result.write_text(str(INSTALLATIONS[name](place)))
            except (AssertionError, OSError) as error:
                failure.write_text(str(error))
        assert not failure.exists(), failure.read_text()
        return Path(result.read_text())


def _installed(name: str) -> Any:
    @pytest.fixture(scope="session", name=name)
    def installed(installations: Path) -> Path:
        return install(installations, name)

    return installed


tools = _installed("tools")
web_hub = _installed("web_hub")
typescript_client = _installed("typescript_client")
graphiql_files = _installed("graphiql_files")
python_package = _installed("python_package")
python_client = _installed("python_client")
terminal_watch = _installed("terminal_watch")
linters = _installed("linters")
custom_resources = _installed("custom_resources")


@pytest.fixture(scope="session")
def installations(pytestconfig: pytest.Config) -> Path:
    """The folder that all workers of this run install to."""
    return _folder(pytestconfig)


def _folder(config: pytest.Config) -> Path:
    # Fixtures get this path from `tmp_path_factory`, but we need it before the first test.
    base: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    folder = (base.parent if hasattr(config, "workerinput") else base) / "installations"
    folder.mkdir(exist_ok=True)
    return folder


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start to install what the collected tests need."""
    config = session.config
    is_first = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0"
    if config.option.collectonly or not is_first:
        return
    needed = {
        name
        for item in session.items
        if isinstance(item, pytest.Function) and not any(item.iter_markers("skip"))
        for name in item.fixturenames
    }
    if LACK_OF_NODE is not None:
        needed -= {*FROM_NPM}
    if CHROMIUM is None:
        needed.discard("web_hub")
    if names := [name for name in INSTALLATIONS if name in needed]:
        config.stash[_INSTALLER] = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.installing", _folder(config), *names],
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=end_with_owner(signal.SIGTERM),
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let other workers have their installations, unless the run was interrupted."""
    if (installer := session.config.stash.get(_INSTALLER, None)) is None:
        return
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        installer.wait()
    elif installer.poll() is None:
        os.killpg(installer.pid, signal.SIGKILL)
        installer.wait()


def main(folder: str, *names: str) -> None:
    """Install all of them; a failure is for the tests that need it to report."""

    def attempt(name: str) -> None:
        with suppress(AssertionError):
            install(Path(folder), name)

    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(attempt, names))


if __name__ == "__main__":
    main(*sys.argv[1:])
