"""The files in `deploy/`, and what the documentation promises about stopping processes."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from opsrun.settings import PREFIX, Settings

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
PROCESSES = ("api", "worker", "maintenance")
# `/readyz` takes up to this many seconds (docs/monitoring.md).
READY_SECONDS = 5


def load(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text())


def environment_file(path: Path) -> dict[str, str]:
    """Return the variables of a file with a `NAME=value` on each line."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def seconds_to_stop(process: str, variables: Mapping[str, str]) -> int:
    """Return within how many seconds docs/operations.md says that a process ends."""
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    [terms] = re.findall(rf"^\| {process} \|[^|]*\| (.+) s \|$", page, re.MULTILINE | re.IGNORECASE)
    defaults = Settings.model_construct()

    def value(term: str) -> int:
        name = term.strip("`")
        default = getattr(defaults, name.removeprefix(PREFIX).lower(), term)
        return int(variables.get(name, default))

    return sum(map(value, terms.split(" + ")))


def call(*command: str | Path, **options: Any) -> str:
    """Run a command; return its output, and fail with all of it if the command fails."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    output: str = done.stdout
    assert done.returncode == 0, output
    return output
