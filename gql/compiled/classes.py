"""What the class of a value says about the value; each class is examined once."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from inspect import getattr_static
from types import WrapperDescriptorType
from typing import Any, NoReturn
from uuid import UUID

from graphql import GraphQLObjectType, Undefined
from strawberry import UNSET
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

# Instances of these classes are neither null, nor errors, nor awaitable, and cannot change.
IMMUTABLE = frozenset({str, int, float, bool, UUID, Decimal, date, datetime, time, timedelta})
# Values of these classes need no closer look before a scalar serializes them.
SIMPLE = IMMUTABLE | {dict, list, tuple}
# Parts of an answer. None of their instances is awaitable.
ATOMS = frozenset({str, int, float, bool, type(None), list, tuple, dict})
# Bounds the classes that are remembered for one type, as a program may create classes without end.
MOST_CLASSES = 1_000


class UnusualValueError(Exception):
    """A generated function meets a value that graphql-core has to complete."""


def unusual(*_: object) -> NoReturn:
    """Raise UnusualValueError; for expressions."""
    raise UnusualValueError


def definition_of(type_: Any) -> StrawberryObjectDefinition | None:
    """Return Strawberry's definition of an object type or interface, if it has one."""
    definition = type_.extensions.get("strawberry-definition")
    return definition if isinstance(definition, StrawberryObjectDefinition) else None


def decides_by_class(type_: GraphQLObjectType) -> bool:
    """Return whether `is_type_of` is absent or Strawberry's, which judges by class and cast."""
    own = getattr(type_.is_type_of, "__qualname__", "")
    return type_.is_type_of is None or own.endswith("._get_is_type_of.<locals>.is_type_of")


def may_be_shared(arguments: dict[str, Any]) -> bool:
    """Return whether no resolver can change these arguments."""
    return all(
        value is None or value is UNSET or value.__class__ in IMMUTABLE or isinstance(value, Enum)
        for value in arguments.values()
    )


class Classes:
    """The classes whose instances are values of an object type, whatever they hold."""

    def __init__(self, type_: GraphQLObjectType) -> None:
        self.type = type_
        self.known: set[type] = set()

    def __contains__(self, value: object) -> bool:
        if value.__class__ not in self.known:
            return self._examine(value)
        return self.type.is_type_of is None or not hasattr(value, TYPE_CAST_ATTRIBUTE)

    def require(self, value: object) -> None:
        """Raise UnusualValueError unless the value is an instance of such a class."""
        if value not in self:
            raise UnusualValueError

    def _examine(self, value: object) -> bool:
        class_, is_type_of = type(value), self.type.is_type_of
        if (
            value.__class__ is not class_
            or issubclass(class_, Exception | type(None) | type(Undefined))
            or hasattr(value, "__await__")
            or hasattr(class_, "__getattr__")
            or not isinstance(class_.__getattribute__, WrapperDescriptorType)
        ):
            return False
        if is_type_of is not None and (
            hasattr(value, TYPE_CAST_ATTRIBUTE) or not is_type_of(value, None)  # type: ignore[arg-type]
        ):
            return False
        if len(self.known) < MOST_CLASSES:
            self.known.add(class_)
        return True


class FunctionByClass(dict[type, Callable[[Any], Any]]):
    """For the values of an abstract type: the function that completes instances of a class.

    As for Strawberry, an instance of a subclass that has no definition is of its parent's type.
    """

    def __init__(self) -> None:
        self.functions: dict[Any, Callable[[Any], Any]] = {}

    def __missing__(self, class_: type) -> Callable[[Any], Any]:
        definition = getattr_static(class_, "__strawberry_definition__", None)
        function = self.functions.get(definition, unusual)
        if function is not unusual and len(self) < MOST_CLASSES:
            self[class_] = function
        return function
