"""The pattern tables show what they hide, and their needles lose no secret."""

import re
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.redaction.patterns import SECRET_PATTERNS, SecretPattern
from domain.redaction.sanitizer import sanitize
from tests.domain.redaction.secrets_corpus import secret_cases
from tests.domain.redaction.tool_secrets_corpus import tool_secret_cases

CORPUS = [case.text for case in (*secret_cases(), *tool_secret_cases())]
# Stands for a marker while patterns are applied, as in the sanitizer.
MARK = "\ufdd0"

each_pattern = pytest.mark.parametrize(
    "pattern", SECRET_PATTERNS, ids=lambda pattern: f"{pattern.name} {pattern.needles[0]}"
)


def plain_examples(pattern: SecretPattern) -> list[str]:
    return [re.sub("[⟦⟧]", "", example).replace("⏎", "\n") for example in pattern.examples]


def changed_by(pattern: SecretPattern, text: str) -> str:
    return re.sub(pattern.source, lambda match: match["keep"] + MARK, text)


@each_pattern
def test_the_table_shows_exactly_what_is_hidden(pattern: SecretPattern) -> None:
    assert pattern.examples
    for example, text in zip(pattern.examples, plain_examples(pattern), strict=True):
        assert "⟦" in example
        expected = re.sub("⟦[^⟧]*⟧", pattern.marker, example).replace("⏎", "\n")
        assert sanitize(text) == expected


@each_pattern
def test_only_the_pattern_of_an_example_hides_it(pattern: SecretPattern) -> None:
    for example in plain_examples(pattern):
        text, active = example, []
        for other in SECRET_PATTERNS:
            if (hidden := changed_by(other, text)) != text:
                text = hidden
                active.append(other)
        assert active == [pattern]


@each_pattern
def test_a_secret_of_the_corpus_shows_why_a_pattern_is_listed(pattern: SecretPattern) -> None:
    matched = [text for text in CORPUS if re.search(pattern.source, text)]

    assert matched
    for text in matched:
        assert holds_a_needle(pattern, text)


@each_pattern
def test_no_text_matches_a_pattern_without_one_of_its_needles(pattern: SecretPattern) -> None:
    regex = re.compile(pattern.source)
    with warnings.catch_warnings():
        # A set within a set, as Hypothesis builds some texts, has no other meaning yet.
        warnings.simplefilter("ignore", FutureWarning)
        texts = st.from_regex(regex).filter(regex.search)
    generated: list[str] = []

    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(texts)
    def check(text: str) -> None:
        generated.append(text)
        assert holds_a_needle(pattern, text)

    check()
    assert generated


@each_pattern
def test_a_text_without_its_needles_does_not_match(pattern: SecretPattern) -> None:
    for example in plain_examples(pattern):
        blanked = re.sub(
            "|".join(map(re.escape, pattern.needles)), "\N{MIDDLE DOT}", example, flags=re.I
        )
        assert blanked != example
        assert not re.search(pattern.source, blanked)


def holds_a_needle(pattern: SecretPattern, text: str) -> bool:
    return any(needle in text.lower() for needle in pattern.needles)
