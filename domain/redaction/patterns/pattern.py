"""One row of the tables of secrets."""

import re
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class SecretPattern:
    """One form of secret: how to find it, and why it is listed.

    Every match contains one of the `words` (separated by blanks) when lower-cased: looking
    for them first saves most regexes on most texts. The group `keep` stays readable before
    the marker. The regex is compiled when a text first needs it.
    """

    name: str
    words: str
    source: str
    reason: str

    @cached_property
    def needles(self) -> tuple[str, ...]:
        """The words, one by one."""
        return tuple(self.words.split())

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """The compiled source."""
        return re.compile(self.source)

    @property
    def marker(self) -> str:
        """What stands for the secret, such as `[redacted:jwt]`."""
        return f"[redacted:{self.name}]"

    @property
    def keeps(self) -> bool:
        """Whether a part of each match stays readable."""
        return "(?P<keep>" in self.source
