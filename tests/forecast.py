"""Print first what a run of the tests includes, what it skips, and how long it takes.

At the end, print what tests leave for people to judge: record_property("note", ...).
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.installing import FROM_NPM, ROOT
from tests.nodejs import CHROMIUM, LACK_OF_NODE

# Seconds with two processes on two idle cores: everything, and without Node or Chromium.
SECONDS = {
    "tests/opsrun": (125, 125),
    "tests/contract": (45, 15),
    "tests/clients": (115, 50),
    "tests/fuzz": (40, 40),
    "tests/workers": (15, 15),
    "tests/gql": (35, 35),
    "tests/domain": (55, 55),
    "tests/deploy": (90, 90),
    "tests/bench": (35, 35),
    "tests/graph": (10, 10),
}
CLIENTS = {"tests/contract", "tests/clients", "tests/deploy"}
NOTE = "note"
_NO_REGISTRY = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let CI refuse a machine on which tests would be skipped."""
    parser.addoption("--skip-nothing", action="store_true", help="fail where a program is missing")


def pytest_configure(config: pytest.Config) -> None:
    """Learn from the controller, in a worker, whether npm can install."""
    config.stash[_NO_REGISTRY] = getattr(config, "workerinput", {}).get("no_registry", False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass it on to a worker of pytest-xdist."""
    node.workerinput["no_registry"] = node.config.stash[_NO_REGISTRY]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print the forecast."""
    config = session.config
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput"):
        return
    whole, some = parts(config)
    missing = []
    if CLIENTS & {*whole, *some}:
        missing = _missing()
        config.stash[_NO_REGISTRY] = "npm's registry" in missing
        if missing and config.getoption("skip_nothing"):
            raise pytest.UsageError(f"Tests of clients need {', '.join(missing)}.")
    if whole:
        minutes = sum(SECONDS[part][bool(missing)] for part in whole) / 60
        terminal.write_line(
            f"Runs {', '.join(whole)}: about {minutes:.0f} minutes on two idle cores."
        )
    if some:
        terminal.write_line(f"Runs tests of {', '.join(some)}.")
    if missing:
        terminal.write_line(f"Skips tests of clients that need {', '.join(missing)}.")


def parts(config: pytest.Config) -> tuple[list[str], list[str]]:
    """Return the folders that run as a whole, and those of which some tests run."""
    chosen = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    whole = [part for part in SECONDS if any((ROOT / part).is_relative_to(p) for p in chosen)]
    some = [part for part in SECONDS if any((ROOT / part) in p.parents for p in chosen)]
    if config.option.keyword or config.option.markexpr or config.option.deselect:
        return [], whole + some
    return whole, some


def _missing() -> list[str]:
    """Return what the tests of clients need and this machine lacks."""
    missing = [] if CHROMIUM else ["Chromium"]
    if LACK_OF_NODE is not None:
        missing.append(LACK_OF_NODE.removeprefix("it needs ").rstrip("."))
    elif not registry_answers():
        missing.append("npm's registry")
    return missing


def registry_answers() -> bool:
    """Return whether npm reaches its registry."""
    ping = ["npm", "ping", "--fetch-retries=0", "--fetch-timeout=5000"]
    answer = subprocess.run(ping, capture_output=True, text=True, check=False)  # noqa: S603
    # A mirror may refuse to be pinged.
    return answer.returncode == 0 or bool(re.search(r"npm error code E\d", answer.stderr))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what cannot be installed."""
    if not config.stash[_NO_REGISTRY]:
        return
    for item in items:
        if isinstance(item, pytest.Function) and not {*FROM_NPM}.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.skip(reason="npm's registry does not answer"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the notes."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == NOTE and report.when == "call":
                terminalreporter.write_line(value)
