"""A copy of the project for the tools of API users."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_MADE = shutil.ignore_patterns(
    "node_modules", ".venv", "build", "gql", "__generated__", "__pycache__"
)


@pytest.fixture
def project(tools: Path, tmp_path: Path) -> Path:
    """A copy of schema, examples and tools for a test to change; all of the schema is released."""
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    (tmp_path / "docs" / "releases").mkdir(parents=True)
    shutil.copy(ROOT / "schema.graphql", tmp_path / "docs" / "releases" / "0.9.0.graphql")
    for folder in (ROOT / "client-examples", tools):
        shutil.copytree(folder, tmp_path / folder.relative_to(ROOT), ignore=_MADE)
    (tmp_path / "tests" / "contract" / "node_modules").symlink_to(tools / "node_modules")
    return tmp_path


def replace(file: Path, old: str, new: str) -> None:
    """Replace the only `old` of a file."""
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file.name}"
    file.write_text(text.replace(old, new))
