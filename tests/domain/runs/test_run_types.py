"""A wrong declaration stops the process with a sentence that names the package (P5)."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from domain.announcements import announced
from domain.errors import DeclarationError
from domain.runs.contexts import Parameters
from domain.runs.failures import FailureReason, Reason
from domain.runs.run_types import GROUP, RunType, RunTypes
from domain.tenancy.roles import TenantRole


class CakeParameters(Parameters):
    flavour: str


class SecretParameters(Parameters):
    password: SecretStr


class SetParameters(Parameters):
    flavours: frozenset[str]


class NoParameters:
    pass


async def prepare(*_: Any) -> Any: ...


CAKE: RunType[CakeParameters] = RunType(
    name="cake.bake",
    title="Bake a cake",
    description="Bakes a cake.",
    least_role=TenantRole.OPERATOR,
    parameters=CakeParameters,
    subject=lambda parameters: parameters.flavour,
    producer="bakery.producer:Bake",
)


def declared(*run_types: object) -> RunTypes:
    types = RunTypes()
    for run_type in run_types:
        types.declare(run_type, "bakery")
    return types


@pytest.mark.parametrize(
    ("run_type", "why"),
    [
        ("cake.bake", "'cake.bake' is not a RunType"),
        (replace(CAKE, name="Cake.bake"), "'Cake.bake' is not `resource.action`"),
        (replace(CAKE, name="cake"), "'cake' is not `resource.action`"),
        (replace(CAKE, name=f"{'c' * 51}.bake"), "at most 50 characters"),
        (replace(CAKE, title=" "), "cake.bake needs a title and a description"),
        (replace(CAKE, description=""), "cake.bake needs a title and a description"),
        (replace(CAKE, least_role="OPERATOR"), "the least role of cake.bake is not a TenantRole"),  # type: ignore[arg-type]
        (replace(CAKE, parameters=NoParameters), "are not a subclass of Parameters"),  # type: ignore[arg-type]
        (replace(CAKE, parameters=SecretParameters), "contain a secret"),  # type: ignore[arg-type]
        (replace(CAKE, parameters=SetParameters), "contain a set"),  # type: ignore[arg-type]
        (replace(CAKE, subject=None), "cake.bake needs either `subject` or `prepare`"),
        (replace(CAKE, prepare=prepare), "cake.bake needs either `subject` or `prepare`"),
        (replace(CAKE, producer="bakery.producer.Bake"), "not `package.module:Class`"),
        (replace(CAKE, attempts=0), "the attempts of cake.bake are not between 1 and 100"),
        (replace(CAKE, attempts=101), "the attempts of cake.bake are not between 1 and 100"),
        (replace(CAKE, timeout=timedelta(0)), "the timeout of cake.bake is not positive"),
        (replace(CAKE, reasons=[Reason("burnt", "Burnt", "Turn the heat down.")]), "'burnt'"),
        (replace(CAKE, reasons=[Reason("BURNT", "", "Turn the heat down.")]), "'BURNT'"),
        (replace(CAKE, reasons=[Reason("BURNT", "Burnt", "")]), "'BURNT'"),
        (
            replace(CAKE, reasons=[Reason(FailureReason.TIMEOUT, "Too slow", "Wait.")]),
            "The reason code TIMEOUT is in use with another meaning",
        ),
    ],
)
def test_a_wrong_declaration_names_the_package_and_what_is_wrong(
    run_type: object, why: str
) -> None:
    with pytest.raises(DeclarationError) as raised:
        declared(run_type)
    assert str(raised.value).startswith("The package bakery declares a run type wrongly: ")
    assert why in str(raised.value)


@pytest.mark.parametrize(
    "wrong", [{"timeout": 600}, {"reasons": ["BURNT"]}, {"title": None}, {"attempts": "3"}]
)
def test_a_value_of_a_wrong_type_names_the_package_and_the_run_type(wrong: Any) -> None:
    with pytest.raises(DeclarationError, match=r"The package bakery .*cake\.bake"):
        declared(replace(CAKE, **wrong))


def test_two_packages_with_the_same_run_type_are_both_named() -> None:
    types = declared(CAKE)
    with pytest.raises(DeclarationError, match=r"bakery and pastry both declare .*'cake.bake'"):
        types.declare(CAKE, "pastry")


def test_two_run_types_of_a_package_may_share_a_reason() -> None:
    burnt = Reason("CAKE_BURNT", "Burnt", "Turn the heat down.")
    bread = replace(CAKE, name="bread.bake", reasons=[burnt])
    assert list(declared(replace(CAKE, reasons=[burnt]), bread)) == ["bread.bake", "cake.bake"]


def package(folder: Path, name: str, entry: str, code: str = "") -> Path:
    """Write a package that announces an entry, and return the folder for Python's path."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nx = {entry}\n")
    (folder / f"{name}.py").write_text(code)
    return folder


def test_a_folder_that_is_twice_on_the_path_announces_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(package(tmp_path, "twice", "twice:VALUE", "VALUE = 1"))
    monkeypatch.setattr(sys, "path", [folder, folder, *sys.path])
    assert [each.value for each in announced(GROUP) if each.package == "twice"] == [1]


@pytest.mark.parametrize(
    ("entry", "code", "error"),
    [
        ("nowhere:VALUE", "", "ModuleNotFoundError"),
        ("cellar:VALUE", "", "AttributeError"),
        ("cellar:VALUE", "1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_entry_that_cannot_be_loaded_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, code: str, error: str
) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path, "cellar", entry, code)))
    with pytest.raises(DeclarationError, match=f"The package cellar announces '{entry}'.*{error}"):
        list(announced(GROUP))
    sys.modules.pop("cellar", None)


@pytest.mark.parametrize("command", ["api", "worker", "maintenance", "schema"])
def test_every_process_ends_with_the_sentence(tmp_path: Path, command: str) -> None:
    path = package(tmp_path, "attic", "attic:VALUE", "VALUE = 'old things'")
    environment = {
        **os.environ,
        "PYTHONPATH": str(path),
        "OPSRUN_DATABASE_URL": "postgresql://localhost/none",
        "OPSRUN_REDIS_URL": "redis://localhost",
        "OPSRUN_AUTH_SECRET": "a key for tests only, of at least 32 characters",
    }
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "opsrun", command],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "The package attic declares a run type wrongly" in process.stderr
