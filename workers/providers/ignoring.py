"""The files of an export that are not policies: defaults, and the operator's ignore file."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

from domain.runs.failures import FailureReason, ProducerError
from workers.providers.folders import read_file

IGNORE_FILE = ".opsrunignore"
MAX_PATTERNS = 1000

# Hidden files and folders, such as those of editors and macOS, and files that export tools and
# Office add; IntuneCD's report, its old files, and its lists of devices and their secret codes.
_DEFAULTS = (
    ".*",
    "MigrationTable.json",
    "~$*.json",
    "node_modules/",
    "__MACOSX/",
    "Assignment Report/",
    "__archive__/",
    "Activation Lock Bypass Codes/",
    "Autopilot Devices/",
    "azure-pipelines*.yml",
)


class IgnoreRules:
    """The patterns of an export folder, in the syntax of `.gitignore`; the last match wins."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Add the operator's patterns to the defaults.

        Raises:
            ProducerError: INVALID_IGNORE_FILE, with the pattern.
        """
        self._patterns = [*_DEFAULTS, *patterns]
        try:
            # RE2 takes linear time for any pattern, so one tenant's file cannot delay others.
            self._spec = GitIgnoreSpec.from_lines(map(_normal, self._patterns), backend="re2")
        except (GitIgnorePatternError, ValueError) as error:
            raise _invalid(f"a pattern in it is not valid: {error}") from None

    def why_ignored(self, path: Sequence[str], *, is_folder: bool = False) -> str | None:
        """Return why the file or folder `path` of the export folder is ignored, if it is."""
        result = self._spec.check_file(_normal("/".join(path)) + "/" * is_folder)
        if not result.include or result.index is None:
            return None
        source = "by default" if result.index < len(_DEFAULTS) else f"in {IGNORE_FILE}"
        return f"Ignored {source}: {self._patterns[result.index].strip()}"


def read_ignore_rules(root: Path) -> IgnoreRules:
    """Return the rules of the export folder `root`; the defaults without an ignore file.

    Raises:
        ProducerError: INVALID_IGNORE_FILE if the file cannot be used.
    """
    if not os.path.lexists(root / IGNORE_FILE):
        return IgnoreRules(())
    try:
        lines = read_file(root, (IGNORE_FILE,)).decode("utf-8-sig").splitlines()
    except ProducerError as error:
        raise _invalid(error.message) from None
    except UnicodeDecodeError:
        raise _invalid("it is not UTF-8 text; save it as UTF-8") from None
    if len(lines) > MAX_PATTERNS:
        raise _invalid(f"it has more than {MAX_PATTERNS} lines")
    return IgnoreRules(lines)


def _normal(text: str) -> str:
    # A pattern cannot match the undecodable parts of a name.
    return unicodedata.normalize("NFC", text.encode(errors="replace").decode())


def _invalid(why: str) -> ProducerError:
    return ProducerError(
        FailureReason.INVALID_IGNORE_FILE,
        f"The file {IGNORE_FILE} of the export folder cannot be used: {why}.",
    )
