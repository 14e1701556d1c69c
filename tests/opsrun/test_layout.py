"""Rules for the repository as a whole."""

import importlib.metadata
import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from opsrun.settings import Settings

REPOSITORY = Path(__file__).parents[2]
OURS = ("opsrun", "gql", "workers", "domain", "migrations")

# Split, so that this file does not match.
_HOSTS = "|".join(("pypi", "pythonhosted", "npmjs", "yarnpkg", "crates", "rubygems"))
_ADDRESSES = re.compile(
    rf"\b({_HOSTS})\.(org|com|io)\b|--(extra-)?index-url|--find-(links)|\b(artifactory|devpi)\.",
    re.IGNORECASE,
)
_LOCK_ADDRESS = re.compile(r"\b(https?|git\+\w+|file)://|@ ")


def tracked() -> list[Path]:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("this is not a checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name]


@pytest.mark.parametrize("package", OURS)
def test_our_packages_are_imported_from_this_repository(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).parent == REPOSITORY / package


@pytest.mark.parametrize("name", ["gql", "domain", "workers"])
def test_no_distribution_shadows_a_package_of_ours(name: str) -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution(name)


@pytest.mark.parametrize("package", OURS)
def test_no_other_distribution_brings_a_package_of_ours(package: str) -> None:
    providers = importlib.metadata.packages_distributions()
    assert set(providers.get(package, ["opsrun"])) == {"opsrun"}


@pytest.mark.parametrize("host", [("pypi", "org"), ("files", "pythonhosted", "org")])
def test_the_search_would_find_a_registry(host: tuple[str, ...]) -> None:
    assert _ADDRESSES.search(f"https://{'.'.join(host)}/simple")


def test_no_tracked_file_names_a_package_registry() -> None:
    addresses = [
        f"{path.relative_to(REPOSITORY)}: {match[0]}"
        for path in tracked()
        if path.is_file()
        for match in [_ADDRESSES.search(path.read_text(errors="replace"))]
        if match
    ]
    assert addresses == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_by_hash_and_name_no_address(lock: str) -> None:
    text = (REPOSITORY / lock).read_text()
    assert _LOCK_ADDRESS.search(text) is None
    pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
    entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    assert len(pins) == len(entries) > 20
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_security_page_names_existing_tests_and_settings() -> None:
    page = (REPOSITORY / "docs" / "security.md").read_text()
    tests = set(re.findall(r"`(\S+/test_\w+\.py)`", page))
    assert len(tests) > 20
    assert {test for test in tests if not (REPOSITORY / "tests" / test).is_file()} == set()
    limits = page.partition("## Limits")[2].partition("\n## ")[0]
    settings = set(re.findall(r"`(?:OPSRUN_)?([A-Z_]{4,})(?:=\w+)?`", limits))
    assert settings - {name.upper() for name in Settings.model_fields} == set()
    assert {name.upper() for name in Settings.model_fields if "limit_" in name} <= settings
