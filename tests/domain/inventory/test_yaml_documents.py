"""YAML is read as its writers mean it, and a hostile file cannot exceed the limits of JSON."""

import codecs
from time import process_time
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from domain.inventory.yaml_documents import parse_yaml
from domain.runs.failures import FailureReason, ProducerError


def error_of(text: str | bytes) -> ProducerError:
    with pytest.raises(ProducerError) as caught:
        parse_yaml(text.encode() if isinstance(text, str) else text)
    return caught.value


def doubling(levels: int) -> str:
    """Return lists of ten aliases each, which are 10 ** `levels` values written out."""
    members = ["x", *(f"*l{level}" for level in range(levels - 1))]
    return "\n".join(
        f"l{level}: &l{level} [{', '.join([member] * 10)}]" for level, member in enumerate(members)
    )


@pytest.mark.parametrize(
    "body",
    [
        {"a": "yes", "b": "on", "c": "null", "d": "~", "e": "", "f": "true", "g": "=", "h": "<<"},
        {"a": "2024-12-05", "b": "2024-12-05T20:19:53.9919803Z", "c": "17:30:00", "d": "12:30"},
        {"a": "010", "b": "0x1F", "c": "1_000", "d": "+49", "e": "1.0", "f": "1e5", "g": "-.5"},
        {"a": True, "b": False, "c": None, "d": 0, "e": -7, "f": 2.5, "g": 1e300, "h": 2**63},
        {"a": [], "b": {}, "c": [[], {}], "on": 1, "yes": 2, "1": 3, "null": 4, "<<": 5},
        {"a": "Büro – 電 🙂", "b": "two\nlines\n", "c": " inner  spaces ", "d": "# no comment"},
        {"@odata.type": "#microsoft.graph.a", "a@odata.bind": "https://x/y('1')", "a": "!x &y *z"},
    ],
)
def test_what_the_usual_writer_wrote_is_read_unchanged(body: dict[str, Any]) -> None:
    assert parse_yaml(yaml.dump(body, sort_keys=False, default_flow_style=False).encode()) == body


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("TRUE", True),
        ("~", None),
        ("2024-12-05", "2024-12-05"),
        ("2024-12-05 20:19:53", "2024-12-05 20:19:53"),
        ("17:30:00", "17:30:00"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1.5e+3", 1500.0),
        ("1e5", "1e5"),
        (".inf", ".inf"),
        ("!!str 7", "7"),
        ("'7'", "7"),
        ("|\n  7\n", "7\n"),
    ],
)
def test_a_value_written_by_hand_stays_what_a_policy_means(text: str, value: Any) -> None:
    assert parse_yaml(f"a: {text}\n".encode()) == {"a": value}


def test_keys_are_texts_as_they_are_written() -> None:
    assert parse_yaml(b"on: 1\n2024-01-01: 2\n7: 3\n") == {"on": 1, "2024-01-01": 2, "7": 3}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_are_those_of_json(encoding: str) -> None:
    assert parse_yaml("a: Büro\n".encode(encoding)) == {"a": "Büro"}


def test_an_alias_repeats_a_value() -> None:
    assert parse_yaml(b"a: &id001 [x, {y: 1}]\nb: *id001\nc: &id002 z\nd: *id002\n") == {
        "a": ["x", {"y": 1}],
        "b": ["x", {"y": 1}],
        "c": "z",
        "d": "z",
    }


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        ("a: [1, 2", FailureReason.INVALID_YAML, "line 2, column 1"),
        ("a: 1\n b: 2", FailureReason.INVALID_YAML, "line 2, column 3"),
        ("a: 1\na: 2", FailureReason.INVALID_YAML, "'a' occurs twice in one object at line 2"),
        ("a: 1\n---\nb: 2", FailureReason.INVALID_YAML, "several documents"),
        ("a: *b", FailureReason.INVALID_YAML, "The alias 'b'"),
        ("a: &a [*a]", FailureReason.INVALID_YAML, "The alias 'a'"),
        ("a: &a {x: 1}\nb: {<<: *a}", FailureReason.INVALID_YAML, "merge key"),
        ("? [x]\n: 1", FailureReason.INVALID_YAML, "A key is not a text at line 1, column 3"),
        ("a: &a x\n? *a\n: 1", FailureReason.INVALID_YAML, "A key is not a text"),
        ("!!python/object/apply:os.system [x]", FailureReason.INVALID_YAML, "python/object"),
        ("a: !!binary aGVsbG8=", FailureReason.INVALID_YAML, "binary"),
        ("a: !!set {x, y}", FailureReason.INVALID_YAML, "set"),
        ("a: !mine x", FailureReason.INVALID_YAML, "!mine"),
        ("a: \x07", FailureReason.INVALID_YAML, "characters that YAML does not allow"),
        (b"a: \xff\xfe", FailureReason.INVALID_YAML, "Byte 4 is not valid utf-8"),
        (doubling(9), FailureReason.FILE_TOO_LARGE, "200,000 values"),
        ("[" * 100_000, FailureReason.INVALID_YAML, "maximum nesting depth"),
        ("[" * 101 + "]" * 101, FailureReason.INVALID_POLICY, "deeper than 100 levels"),
        ("- " * 10_000 + "x", FailureReason.INVALID_POLICY, "deeper than 100 levels"),
        ("[x, " * 200_001, FailureReason.INVALID_POLICY, "deeper than 100 levels"),
        ("- x\n" * 200_001, FailureReason.FILE_TOO_LARGE, "200,000 values"),
    ],
)
def test_a_broken_or_hostile_file_is_refused_with_the_place(
    text: str | bytes, reason: FailureReason, part: str
) -> None:
    began = process_time()
    failure = error_of(text)
    assert (failure.reason, part in failure.message) == (reason, True), failure.message
    assert len(failure.message) < 400
    assert process_time() - began < 5


def test_a_repeated_text_counts_as_often_as_it_occurs() -> None:
    text = "x" * 4 * 1024**2
    assert len(parse_yaml(f"a: &a {text}\nb: [*a, *a]".encode())["b"]) == 2
    failure = error_of(f"a: &a {text}\nb: [*a, *a, *a]")
    assert failure.reason == FailureReason.FILE_TOO_LARGE
    assert "16 MiB of text" in failure.message


def test_aliases_make_a_document_at_most_ten_times_as_long_as_its_file() -> None:
    text = "x" * 1000
    assert len(parse_yaml(f"a: &a {text}\nb: [{', '.join(['*a'] * 9)}]".encode())["b"]) == 9
    values = f"a: &a [{'x, ' * 1000}]\nb: [{', '.join(['*a'] * 40)}]"
    for longer in (f"a: &a {text}\nb: [{', '.join(['*a'] * 12)}]", values):
        failure = error_of(longer)
        assert failure.reason == FailureReason.FILE_TOO_LARGE
        assert "10 times its file" in failure.message


def test_aliases_cannot_nest_deeper_than_a_document() -> None:
    levels = [f"l0: &l0 {'[' * 40}{']' * 40}"]
    levels += [f"l{n}: &l{n} {'[' * 40}*l{n - 1}{']' * 40}" for n in (1, 2)]
    assert error_of("\n".join(levels)).reason == FailureReason.INVALID_POLICY
    assert parse_yaml("\n".join(levels[:2]).encode())


def test_a_document_at_the_limits_is_read() -> None:
    assert len(parse_yaml(b"- x\n" * 199_999)) == 199_999
    assert parse_yaml(b"[" * 100 + b"]" * 100)


def test_an_empty_file_holds_nothing() -> None:
    assert parse_yaml(b"") is None
    assert parse_yaml(codecs.BOM_UTF8 + b"# only a comment\n") is None
