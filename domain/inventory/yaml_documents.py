"""Parse YAML from exports into what JSON can express, within the limits of JSON documents (P8)."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped]

from domain.inventory.policies import MAX_DEPTH, MAX_VALUES, integer, quoted
from domain.runs.failures import FailureReason, ProducerError

MAX_CHARACTERS = 16 * 1024 * 1024
# Aliases make a document longer than its file. Batches are bounded by the files' bytes, so many
# small files must not become many large documents.
MAX_GROWTH = 10

_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# YAML 1.1, by which the tools that write YAML read it as well.
_TRUE, _FALSE = (
    frozenset(form(word) for word in words for form in (str.lower, str.title, str.upper))
    for words in (("true", "yes", "on"), ("false", "no", "off"))
)
# The numbers that are the same in YAML 1.1 and JSON: `010`, `17:30:00` and `1e5` are texts.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?")


def parse_yaml(raw: bytes) -> Any:
    """Return the value of the only document in a file's bytes.

    Dates and times stay texts, as in JSON. Keys are texts as they are written.

    Raises:
        ProducerError: INVALID_YAML with the place, also for a duplicate key, a tag, a merge key or
            several documents; INVALID_POLICY for a document that is nested too deeply;
            FILE_TOO_LARGE above 200,000 values, 16 MiB of text or ten times the file, with
            aliases written out.
    """
    encoding = json.detect_encoding(raw)
    try:
        return _Builder(MAX_GROWTH * len(raw)).build(
            yaml.parse(raw.decode(encoding), Loader=yaml.CSafeLoader)
        )
    except UnicodeDecodeError as error:
        raise _invalid(
            f"Byte {error.start + 1} is not valid {encoding}; save the file as UTF-8."
        ) from None
    except yaml.MarkedYAMLError as error:
        raise _invalid(f"{(error.problem or 'Not YAML').capitalize()}{_at(error)}.") from None
    except yaml.YAMLError:
        raise _invalid("The file holds characters that YAML does not allow.") from None


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that aliases may repeat, with what a repetition adds."""

    value: Any
    values: int
    characters: int
    height: int


@dataclass(slots=True)
class _Open:
    """A list or object whose end was not read yet, and the counts before it."""

    value: Any
    anchor: str | None
    values: int
    characters: int
    height: int = 1
    key: str | None = None


class _Builder:
    """Builds a value from events, so that a limit stops the parser at the place that exceeds it."""

    def __init__(self, longest: int) -> None:
        self._max_values = min(MAX_VALUES, longest)
        self._max_characters = min(MAX_CHARACTERS, longest)
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._values = self._characters = self._documents = 0
        self._result: Any = None

    def build(self, events: Iterable[Any]) -> Any:
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise _invalid("The file holds several documents; keep one in each file.")
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._start(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._end()
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.AliasEvent():
                    self._alias(event)
        return self._result

    def _start(self, event: Any) -> None:
        if event.tag is not None and not event.implicit:
            raise _invalid(f"The tag {quoted([event.tag])!r} is not allowed{_at(event)}.")
        value: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        before = self._values, self._characters
        self._require_value(event)
        self._count(1, 0, 1)
        self._open.append(_Open(value, event.anchor, *before))

    def _end(self) -> None:
        ended = self._open.pop()
        self._keep(ended.anchor, ended.value, ended.values, ended.characters, ended.height)
        self._place(ended.value, ended.height)

    def _scalar(self, event: Any) -> None:
        before = self._values, self._characters
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            self._count(0, len(event.value), 0)
            self._key(event)
            return
        self._count(1, len(event.value), 0)
        value = _scalar(event)
        self._keep(event.anchor, value, *before, 0)
        self._place(value, 0)

    def _key(self, event: Any) -> None:
        opened = self._open[-1]
        if event.value == "<<" and event.implicit[0]:
            raise _invalid(f"The merge key `<<` is not allowed{_at(event)}; write its members.")
        if event.value in opened.value:
            raise _invalid(
                f"The key {quoted([event.value])!r} occurs twice in one object{_at(event)};"
                " keep one."
            )
        opened.key = event.value

    def _alias(self, event: Any) -> None:
        self._require_value(event)
        known = self._anchors.get(event.anchor)
        if known is None:
            raise _invalid(f"The alias {quoted([event.anchor])!r} has no value before it.")
        self._count(known.values, known.characters, known.height)
        self._place(known.value, known.height)

    def _require_value(self, event: Any) -> None:
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            raise _invalid(f"A key is not a text{_at(event)}.")

    def _count(self, values: int, characters: int, height: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > self._max_values or self._characters > self._max_characters:
            raise ProducerError(
                FailureReason.FILE_TOO_LARGE,
                f"With its aliases written out, the document has more than {MAX_VALUES:,} values,"
                f" {MAX_CHARACTERS // 1024**2} MiB of text or {MAX_GROWTH} times its file.",
            )
        if len(self._open) + height > MAX_DEPTH:
            raise ProducerError(
                FailureReason.INVALID_POLICY,
                f"The document is nested deeper than {MAX_DEPTH} levels.",
            )

    def _keep(
        self, anchor: str | None, value: Any, values: int, characters: int, height: int
    ) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(
                value, self._values - values, self._characters - characters, height
            )

    def _place(self, value: Any, height: int) -> None:
        if not self._open:
            self._result = value
            return
        opened = self._open[-1]
        opened.height = max(opened.height, height + 1)
        if isinstance(opened.value, list):
            opened.value.append(value)
        else:
            opened.value[opened.key] = value
            opened.key = None


def _scalar(event: Any) -> Any:
    text = event.value
    if event.tag is not None and event.tag not in _TEXT_TAGS:
        raise _invalid(f"The tag {quoted([event.tag])!r} is not allowed{_at(event)}.")
    # Quoted, a block, or tagged as a text.
    if event.tag is not None or not event.implicit[0]:
        return text
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return integer(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _at(place: Any) -> str:
    mark = getattr(place, "start_mark", None) or getattr(place, "problem_mark", None)
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _invalid(message: str) -> ProducerError:
    return ProducerError(FailureReason.INVALID_YAML, message)
