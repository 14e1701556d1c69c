"""Policy documents are parsed and identified, and errors name the place."""

import codecs
import json
from time import process_time
from typing import Any

import pytest

from domain.inventory.policies import identify, parse_policy
from domain.runs.failures import FailureReason, ProducerError

POLICY = {
    "@odata.type": "#microsoft.graph.windows10CompliancePolicy",
    "id": "p-1",
    "displayName": "Büro – 電",
}


def parse(raw: bytes) -> dict[str, Any]:
    return parse_policy(raw)


def error_of(raw: bytes) -> ProducerError:
    with pytest.raises(ProducerError) as caught:
        parse(raw)
    return caught.value


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_every_unicode_encoding_is_read(encoding: str) -> None:
    assert parse(json.dumps(POLICY, ensure_ascii=False).encode(encoding)) == POLICY


def test_big_endian_with_a_bom_is_read() -> None:
    assert parse(codecs.BOM_UTF16_BE + json.dumps(POLICY).encode("utf-16-be")) == POLICY


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "Expecting value at line 1, column 1 (read as utf-8)."),
        (b'{\n "a": 1,\n "b" 2}', "Expecting ':' delimiter at line 3, column 6 (read as utf-8)."),
        (
            '{"a": '.encode("utf-16"),
            "Expecting value at line 1, column 7 (read as utf-16).",
        ),
        (b'{"a": "x\ny"}', "Invalid control character at line 1, column 9 (read as utf-8)."),
        (b'{"a": "\xe9"}', "Byte 8 is not valid utf-8; save the file as UTF-8."),
        (b'\xff\xfe{\0"', "Byte 5 is not valid utf-16; save the file as UTF-8."),
        (b'{"a": NaN}', "NaN is not a JSON value; use a number or null."),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value; use a number or null."),
    ],
)
def test_invalid_json_is_reported_with_its_place(raw: bytes, message: str) -> None:
    failure = error_of(raw)
    assert failure.reason == FailureReason.INVALID_JSON
    assert failure.message == message


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[]", "The document has to be one JSON object."),
        (b"null", "The document has to be one JSON object."),
        (b'{"a": [{"b": "x\\u0000"}]}', "The text at a/0/b holds a NUL character (\\u0000)."),
        (b'{"a": {"\\u0000": 1}}', "The text at a holds a NUL character (\\u0000)."),
        (b'{"\\ud800": 1}', "The text at the top level holds half of a surrogate pair."),
        (b'{"a": "\\udfff"}', "The text at a holds half of a surrogate pair."),
        (b'{"a": 1e999}', "The number at a is too large to be stored."),
        (b'{"a": [18446744073709551616]}', "The number at a/0 is too large to be stored."),
        (b'{"a": -9223372036854775809}', "The number at a is too large to be stored."),
        (b'{"a": ' + b"9" * 5000 + b"}", "The number at a is too large to be stored."),
        (
            b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
            "The document is nested deeper than 100 levels.",
        ),
        (b'{"a":' * 200_000, "The document is nested deeper than 100 levels."),
    ],
)
def test_a_value_that_cannot_be_stored_is_reported_with_its_place(raw: bytes, message: str) -> None:
    failure = error_of(raw)
    assert failure.reason == FailureReason.INVALID_POLICY
    assert failure.message == message


def test_the_largest_storable_values_are_read() -> None:
    deep: Any = "end"
    for _ in range(99):
        deep = [deep]
    body = {"deep": deep, "pair": "😀", "most": 2**64 - 1, "least": -(2**63), "far": 1e308}
    assert parse(json.dumps(body).encode()) == body


def test_a_long_place_is_shortened() -> None:
    failure = error_of(json.dumps({"k" * 100_000: 10**30}).encode())
    assert len(failure.message) < 300


def test_a_policy_is_identified() -> None:
    assert identify(POLICY) == ("p-1", "Büro – 電", "windows10CompliancePolicy")
    assert identify({**POLICY, "displayName": None, "name": "N"})[1] == "N"
    assert identify({**POLICY, "@odata.type": "#example.custom"})[2] == "#example.custom"
    for prefix in ("microsoft.graph.", "#Microsoft.Graph."):
        assert identify({**POLICY, "@odata.type": f"{prefix}aPolicy"})[2] == "aPolicy"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": None}, "The policy has no `id`"),
        ({"id": "  "}, "The policy has no `id`"),
        ({"id": 7}, "The policy has no `id`"),
        ({"id": "x" * 201}, "`id` is longer than 200 characters"),
        ({"displayName": ""}, "The policy has no `displayName` or `name`"),
        ({"displayName": "x" * 1001}, "`displayName` is longer than 1000 characters"),
        ({"@odata.type": None}, "The policy has no `@odata.type`"),
        ({"@odata.type": "#microsoft.graph."}, "The policy has no `@odata.type`"),
    ],
)
def test_the_error_names_the_missing_field(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ProducerError) as caught:
        identify({**POLICY, **change})
    assert caught.value.reason == FailureReason.INVALID_POLICY
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b'{"id": "one", "id": "two"}', "id"),
        (b'{"a": [{"b": {"c": 1, "d": 2, "c": 1}}]}', "c"),
        ('{"é": 1, "\\u00e9": 2}'.encode(), "é"),
    ],
)
def test_a_key_that_occurs_twice_is_named(raw: bytes, key: str) -> None:
    failure = error_of(raw)
    assert failure.reason == FailureReason.INVALID_JSON
    assert failure.message == f"The key {key!r} occurs twice in one object; keep one."


@pytest.mark.parametrize(
    ("mark", "announced", "written"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-be"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-le"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-be"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32-le"),
    ],
)
def test_swapped_bytes_are_named(mark: bytes, announced: str, written: str) -> None:
    failure = error_of(mark + json.dumps(POLICY).encode(written))
    assert failure.reason == FailureReason.INVALID_JSON
    assert failure.message == (
        f"The byte order mark says {announced}, but the bytes are {written};"
        " save the file as UTF-8."
    )


def with_values(count: int) -> bytes:
    """Return a policy with this many values, counting the list and its members."""
    return json.dumps({**POLICY, "v": [1] * (count - len(POLICY) - 1)}).encode()


def test_a_document_has_at_most_200_000_values() -> None:
    assert len(parse(with_values(200_000))["v"]) > 199_000
    error = error_of(with_values(200_001))
    assert error.reason == FailureReason.FILE_TOO_LARGE
    assert error.message == "The document has more than 200,000 values."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_a_text_is_one_value_despite_its_brackets_and_commas(encoding: str) -> None:
    script = 'if (a[0]) { Write-Host "x, y\\" }, ' * 100_000
    body = {**POLICY, "script": script}
    assert parse(json.dumps(body).encode(encoding)) == body


@pytest.mark.parametrize(
    "text",
    ['{"v":[' + "[]," * 5_000_000 + "[]]}", "[" * 15_000_000, '"' + '\\",' * 5_000_000],
    ids=["empty lists", "brackets", "a text without an end"],
)
def test_a_document_with_too_many_values_is_refused_quickly(text: str) -> None:
    began = process_time()
    assert error_of(text.encode()).reason in (
        FailureReason.FILE_TOO_LARGE,
        FailureReason.INVALID_JSON,
    )
    assert process_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 9223372036854775807, "b": -9223372036854775808, "c": 18446744073709551615}',
        '{"a": 12345678901234567890.5, "b": 1e19, "c": "12345678901234567890123", "d": -0.0}',
        '{"a": "say \\u0022x\\u0022", "\\u0022": "\\"", "b": "\\\\u0000"}',
        '{"a": "\\ud83d\\ude00", "e\\u0301": "\\/", "": [null, true, {}, []]}',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_unusual_values_are_read_as_json_reads_them(text: str, encoding: str) -> None:
    body, expected = parse(text.encode(encoding)), json.loads(text)
    # The texts also tell 1 from 1.0 and from True.
    assert json.dumps(body) == json.dumps(expected)
