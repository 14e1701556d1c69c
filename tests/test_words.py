"""The words that CONTRIBUTING keeps out, so that every sentence reads at once."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.opsrun.test_layout import REPOSITORY, tracked

TEXTS = {".py", ".md", ".graphql", ".ts", ".tsx", ".js", ".html", ".toml", ".yml", ".sh", ""}
# Texts that stay as they are: what was released, what others wrote, what secrets look like.
FIXED = (
    "docs/releases/",
    "gql/transport/graphiql_files/",
    "tests/domain/redaction/harmless_corpus.py",
    "tests/domain/redaction/secrets_corpus.py",
    "tests/domain/redaction/tool_secrets/",
    "tests/test_words.py",
    "LICENSE",
)

_WORDS = re.compile(
    r"(?<![a-z\"`])(?:mend(?:s|ed|ing)?|told|whoever|anew|for ever|meanwhile|nobody|upkeep"
    r"|housekeeping|keepers?|of (?:our|its|their|your|one's) own"
    r"|(?<!there )is no(?! longer| more| less))"
    r"(?![a-z])",
    re.IGNORECASE,
)
_PARTICIPLES = {"found", "wanted", "shown", "told", "given", "asked"}


def listed_words(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in _WORDS.finditer(line):
            yield f"{number}: {match[0]}"


def participles(source: str) -> Iterator[str]:
    """Yield the variables and parameters that are named by a participle alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        else:
            continue
        if name in _PARTICIPLES:
            yield f"{node.lineno}: the variable {name}"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("What to mend; empty on success.", "1: mend"),
        ("This is no Redis URL.", "1: is no"),
        ("def told_twice(): ...", "1: told"),
        ("A database of its own", "1: of its own"),
    ],
)
def test_a_listed_word_is_seen(text: str, word: str) -> None:
    assert [*listed_words(text)] == [word]


def test_words_that_only_contain_a_listed_one_pass() -> None:
    assert [
        *listed_words("We recommend it. There is no lock, and it is no longer held by `nobody`.")
    ] == []


def test_a_participle_as_a_name_is_seen() -> None:
    source = "def f(wanted):\n    found = wanted\n    return found.shown"
    assert [*participles(source)] == ["1: the variable wanted", "2: the variable found"]


def _files() -> list[Path]:
    return [
        path
        for path in tracked()
        if path.suffix in TEXTS
        and path.is_file()
        and not path.relative_to(REPOSITORY).as_posix().startswith(FIXED)
    ]


def test_no_file_holds_a_listed_word() -> None:
    seen = []
    for path in _files():
        text = path.read_text(encoding="utf-8")
        words = [*listed_words(text), *(participles(text) if path.suffix == ".py" else ())]
        seen += [f"{path.relative_to(REPOSITORY)}:{word}" for word in words]
    assert seen == []
