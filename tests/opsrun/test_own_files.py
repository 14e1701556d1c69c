"""The command line refuses to start if files of Opsrun are replaced, missing or hidden."""

from pathlib import Path

import pytest

from opsrun.own_files import damage
from tests.wheel import Environment

REMEDY = "install Opsrun again, in an environment for itself."


def refused(message: str) -> tuple[int, str, str]:
    """Return the code, output and errors of a command that refuses to start."""
    return 1, "", f"Error: {message}\n"


def test_a_file_that_another_package_has_replaced_is_named(
    environment: Environment, tmp_path: Path
) -> None:
    path = environment.site / "gql" / "__init__.py"
    answer = refused(f"The package gql 4.0.0 has replaced the file {path} of Opsrun: {REMEDY}")
    with environment.other_package("gql/__init__.py", "gql/client.py"):
        assert environment.opsrun(tmp_path, "api") == answer
        assert environment.opsrun(tmp_path, "--help") == answer
        assert environment.python(tmp_path, "-m", "opsrun", "worker") == answer
    assert environment.opsrun(tmp_path, "--help")[0] == 0


def test_a_file_that_differs_is_named_without_a_package(environment: Environment) -> None:
    with environment.restored("migrations/env.py") as [path]:
        path.write_text("pass\n")
        assert damage(environment.site) == (
            f"Something has replaced the file {path} of Opsrun: {REMEDY}"
        )


@pytest.mark.parametrize("name", ["gql/__init__.py", "workers/broker.py", "opsrun/schema.graphql"])
def test_a_file_that_was_uninstalled_with_another_package_is_named(
    environment: Environment, name: str
) -> None:
    with environment.restored(name) as [path]:
        path.unlink()
        assert damage(environment.site) == f"The file {path} of Opsrun is missing: {REMEDY}"


@pytest.mark.parametrize(
    ("name", "stranger"),
    [("gql/client.py", "gql/client.py"), ("gql/utilities/parse.py", "gql/utilities")],
)
def test_a_package_that_was_installed_before_is_named(
    environment: Environment, name: str, stranger: str
) -> None:
    with environment.other_package(name):
        assert damage(environment.site) == (
            f"The package gql 4.0.0 has put {environment.site / stranger}"
            f" into a package of Opsrun: {REMEDY}"
        )


def test_another_file_in_our_packages_is_accepted(environment: Environment, tmp_path: Path) -> None:
    with environment.restored("gql/notes.py") as [path]:
        path.touch()
        assert environment.opsrun(tmp_path, "--help")[0] == 0


def test_a_folder_that_hides_a_package_of_ours_is_named(
    environment: Environment, tmp_path: Path
) -> None:
    hiding = tmp_path / "domain" / "__init__.py"
    hiding.parent.mkdir()
    hiding.touch()
    assert environment.python(tmp_path, "-m", "opsrun", "worker") == refused(
        f"{hiding} hides the package domain of Opsrun: remove it from Python's path,"
        " or install Opsrun in an environment for itself."
    )
    assert environment.opsrun(tmp_path, "--help")[0] == 0
