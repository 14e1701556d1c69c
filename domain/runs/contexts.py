"""The parameters of a run type, and how they are read from JSON that a client sent."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from domain.errors import ContextProblem, InvalidContextError
from domain.redaction.sanitizer import sanitize
from domain.texts import is_storable

MAX_BYTES = 32 * 1024
MAX_DEPTH = 16
_MAX_PROBLEMS = 20
_MESSAGE_LENGTH = 300
# What orjson writes, and what JSON Schema's validators can hold.
_INTEGERS = range(-(2**63), 2**63)
_LARGEST = 2.0**63
# Pydantic puts this in front of the message of a ValueError.
_VALUE_ERROR = "Value error, "


class Parameters(BaseModel):
    """Base of the parameters of a run type: unknown names are refused, and JSON uses camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # Forms show the titles in the JSON Schema; pydantic makes `Scopekey` of `scopeKey`.
        field_title_generator=lambda name, _: name.replace("_", " ").capitalize(),
    )


P = TypeVar("P", bound=Parameters)


def read_context(model: type[P], context: object) -> P:
    """Return the parameters in a context.

    Raises:
        InvalidContextError: it is too large, cannot be stored, or does not fit the model.
    """
    if not isinstance(context, Mapping):
        raise InvalidContextError([ContextProblem((), "The context is not an object.")])
    require_storable(context)
    text = orjson.dumps(context)
    if len(text) > MAX_BYTES:
        message = f"The context has {len(text):,} bytes; at most {MAX_BYTES:,} are allowed."
        raise InvalidContextError([ContextProblem((), message)])
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidContextError(
            [
                ContextProblem(
                    tuple(str(part) for part in detail["loc"]),
                    sanitize(detail["msg"].removeprefix(_VALUE_ERROR), max_length=_MESSAGE_LENGTH),
                )
                for detail in details[:_MAX_PROBLEMS]
            ]
        ) from None


def require_storable(context: Mapping[str, Any]) -> None:
    """Raise InvalidContextError unless the database stores, and the API returns, the context."""
    problem = next(_unstorable(context, ()), None)
    if problem is not None:
        raise InvalidContextError([problem])


def _unstorable(value: object, path: tuple[str, ...]) -> Iterator[ContextProblem]:
    if len(path) > MAX_DEPTH:
        yield ContextProblem(path, f"Values are nested deeper than {MAX_DEPTH} levels.")
    elif isinstance(value, str):
        if not is_storable(value):
            yield ContextProblem(path, "The text contains a character that cannot be stored.")
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if not is_storable(key):
                yield ContextProblem(path, "A key contains a character that cannot be stored.")
            else:
                yield from _unstorable(member, (*path, key))
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from _unstorable(member, (*path, str(index)))
    elif isinstance(value, float) and not abs(value) < _LARGEST:
        # `jsonb` would return a whole number with all its digits.
        yield ContextProblem(path, "The number is too large.")
    elif isinstance(value, int) and value not in _INTEGERS:
        yield ContextProblem(path, "The number is too large: an integer has at most 64 bits.")
