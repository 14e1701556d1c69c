"""`npm run released` fails for a breaking change that the changelog does not announce."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import ROOT, replace
from tests.forecast import NOTE
from tests.nodejs import needs_node, npm

REMOVED = ('  """Who started it."""\n  initiator: Initiator!\n\n', "")
REQUIRED = (
    "    filter: OperationRunFilter\n  ): OperationRunFacets!",
    "    filter: OperationRunFilter!\n  ): OperationRunFacets!",
)
GROWN_ENUM = (
    '  SUCCEEDED\n\n  """The run ended. Some',
    '  SUCCEEDED\n\n  PAUSED\n\n  """The run ended. Some',
)
ADDED = ("type Viewer {", "type Viewer {\n  locale: String")


def changed(project: Path, change: tuple[str, str], changelog: str) -> Path:
    """Change the schema and the changelog; return the folder to check."""
    replace(project / "schema.graphql", *change)
    (project / "CHANGELOG.md").write_text(changelog)
    return project / "tests" / "contract"


def unreleased(heading: str, coordinate: str) -> str:
    """Return a changelog with one unreleased entry."""
    return f"# Changelog\n\n## Unreleased\n\n### {heading}\n\n- `{coordinate}`: see `name`.\n"


def test_every_release_keeps_its_schema() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / "docs" / "releases" / f"{project['version']}.graphql").exists()


@needs_node
def test_clients_of_the_last_release_still_work(
    tools: Path, record_property: Callable[[str, object], None]
) -> None:
    # Dangerous changes are for people to judge.
    record_property(NOTE, npm(tools, "run", "--silent", "released"))


@needs_node
@pytest.mark.parametrize(
    ("change", "coordinate", "heading"),
    [
        (REMOVED, "OperationRun.initiator", "Removed"),
        (REQUIRED, "Tenant.operationRunFacets.filter", "Breaking"),
    ],
    ids=["removed field", "required argument"],
)
def test_a_breaking_change_must_be_announced(
    project: Path, change: tuple[str, str], coordinate: str, heading: str
) -> None:
    folder = changed(project, change, unreleased("Added", coordinate))
    with pytest.raises(AssertionError, match=f"name `{coordinate}` in CHANGELOG.md"):
        npm(folder, "run", "released")
    (project / "CHANGELOG.md").write_text(unreleased(heading, coordinate))
    assert "announced" in npm(folder, "run", "released")


@needs_node
def test_an_announcement_of_an_earlier_release_does_not_count(project: Path) -> None:
    entry = unreleased("Removed", "OperationRun.initiator").replace("Unreleased", "0.9.0")
    folder = changed(project, REMOVED, entry.replace("## ", "## Unreleased\n\n## ", 1))
    with pytest.raises(AssertionError, match="1 breaking change"):
        npm(folder, "run", "released")


@needs_node
@pytest.mark.parametrize(
    ("change", "coordinate"),
    [(GROWN_ENUM, "StatusBucket.PAUSED"), (ADDED, "Viewer.locale")],
    ids=["enum value", "added field"],
)
def test_a_dangerous_change_is_only_reported(
    project: Path, change: tuple[str, str], coordinate: str
) -> None:
    folder = changed(project, change, "")
    for changelog in ("# Changelog\n", unreleased("Breaking", coordinate)):
        (project / "CHANGELOG.md").write_text(changelog)
        report = npm(folder, "run", "released")
        assert coordinate.partition(".")[2] in report
        assert "No breaking changes detected" in report


@needs_node
def test_the_newest_release_counts(project: Path) -> None:
    folder = changed(project, REMOVED, "# Changelog\n\n## Unreleased\n")
    (project / "schema.graphql").rename(project / "docs" / "releases" / "0.10.0.graphql")
    (project / "schema.graphql").symlink_to("docs/releases/0.10.0.graphql")
    assert "No changes detected" in npm(folder, "run", "released")
