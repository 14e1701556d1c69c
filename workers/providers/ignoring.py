"""Which files of an export are not policies: the operator's ignore file, and sensible defaults."""

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

# Hidden files and folders, as of editors and macOS, and what export tools and Office leave
# beside policies.
_DEFAULTS = (".*", "MigrationTable.json", "~$*.json", "node_modules/", "__MACOSX/")


class IgnoreRules:
    """The patterns of an export folder, in the syntax of `.gitignore`; a later one wins."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take the operator's patterns, which come after the defaults.

        Raises:
            ProducerError: INVALID_IGNORE_FILE, naming the pattern.
        """
        self._patterns = [*_DEFAULTS, *patterns]
        try:
            # Its time is linear, whatever the pattern: one tenant's file delays no other's.
            self._spec = GitIgnoreSpec.from_lines(map(_normal, self._patterns), backend="re2")
        except (GitIgnorePatternError, ValueError) as error:
            raise _invalid(f"a pattern in it is not valid: {error}") from None

    def why_ignored(self, path: Sequence[str], *, is_folder: bool = False) -> str | None:
        """Return why the file or folder at `path` below the export folder is ignored, if it is."""
        result = self._spec.check_file(_normal("/".join(path)) + "/" * is_folder)
        if not result.include or result.index is None:
            return None
        source = "by default" if result.index < len(_DEFAULTS) else f"in {IGNORE_FILE}"
        return f"Ignored {source}: {self._patterns[result.index].strip()}"


def read_ignore_rules(root: Path) -> IgnoreRules:
    """Return the rules of the export folder `root`; without an ignore file, the defaults.

    Raises:
        ProducerError: INVALID_IGNORE_FILE when there is a file that cannot be used.
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
    # A name that is not text has parts that no pattern can name.
    return unicodedata.normalize("NFC", text.encode(errors="replace").decode())


def _invalid(why: str) -> ProducerError:
    return ProducerError(
        FailureReason.INVALID_IGNORE_FILE,
        f"The file {IGNORE_FILE} of the export folder cannot be used: {why}.",
    )
