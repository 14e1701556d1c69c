"""Python functions for plain fields: they read attributes and return values for JSON.

A function is right as long as everything is as usual. Whatever else it meets makes it raise: an
error, a null that must not be, an awaitable, an unknown class. graphql-core then completes the
value from its beginning. So errors, their paths and null propagation are always graphql-core's own.
"""

from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Any

import graphql
from graphql import GraphQLField, GraphQLLeafType, GraphQLList, GraphQLNonNull, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE
from strawberry.types.field import StrawberryField

from .classes import (
    ATOMS,
    SIMPLE,
    Classes,
    FunctionByClass,
    UnusualValueError,
    decides_by_class,
    definition_of,
    unusual,
)

# Bounds the size of the functions that are compiled together.
MOST_VALUES = 2_000

Function = Callable[[Any], Any]

# The conditions under which the value {v} stands for itself in the answer.
SERIALIZED = {
    graphql.GraphQLString: "{v}.__class__ is str",
    graphql.GraphQLID: "{v}.__class__ is str",
    graphql.GraphQLInt: "{v}.__class__ is int and -2147483648 <= {v} <= 2147483647",
    graphql.GraphQLBoolean: "{v}.__class__ is bool",
    # Neither infinite nor not a number.
    graphql.GraphQLFloat: "{v}.__class__ is float and {v} - {v} == 0.0",
}
# Strawberry's functions that choose an object type by the class of a value, and by casts.
RESOLVE_BY_CLASS = (
    "._get_resolve_type.<locals>.resolve_type",
    ".get_type_resolver.<locals>._resolve_union_type",
)


class NotPlainError(Exception):
    """A field that graphql-core or a resolver has to complete."""


class Writer:
    """Writes functions, and compiles them together."""

    def __init__(self, executor: Any) -> None:
        self.schema: graphql.GraphQLSchema = executor.schema
        self.collect = executor.collect_subfields
        self.names: dict[str, Any] = {"unusual": unusual, "ATOMS": ATOMS, "SIMPLE": SIMPLE}
        self.source: list[str] = []
        self.tables: list[tuple[FunctionByClass, dict[Any, str]]] = []
        self.variables = 0

    def value(self, type_: graphql.GraphQLOutputType, details: FieldDetailsList) -> str:
        """Write a function from a resolved value to its part of the answer; return its name.

        Raises:
            NotPlainError: more than plain fields is selected of it.
        """
        return self._define(f"return {self._nullable(type_, details, 's')}")

    def fields(self, written: Mapping[str, str], *check: str) -> str:
        """Write a function from an object to a dict of some fields; return its name."""
        items = ", ".join(f"{response!r}: {value}" for response, value in written.items())
        return self._define(*check, f"return {{{items}}}")

    def field(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        """Write an expression for a field of the object `s`.

        Raises:
            NotPlainError: the field has a resolver, or one is selected below it.
        """
        node = details[0].node
        if node.name.value == "__typename":
            return repr(type_.name)
        field = self.schema.get_field(type_, node.name.value)
        attribute = attribute_of(field)
        if field is None or attribute is None or field.args or node.arguments:
            raise NotPlainError
        return self._nullable(field.type, details, attribute)

    def compile(self) -> dict[str, Function]:
        """Compile what was written; return the functions by their names."""
        exec(compile("".join(self.source), "<compiled>", "exec"), self.names)  # noqa: S102
        for table, names in self.tables:
            table.functions = {key: self.names[name] for key, name in names.items()}
        return self.names

    def _define(self, *lines: str) -> str:
        name = f"complete_{len(self.source)}"
        body = "\n    ".join(lines)
        self.source.append(f"def {name}(s):\n    {body}\n")
        return name

    def _constant(self, value: object) -> str:
        name = f"constant_{len(self.names)}"
        self.names[name] = value
        return name

    def _variable(self) -> str:
        self.variables += 1
        if self.variables > MOST_VALUES:
            raise NotPlainError
        return f"v{self.variables}"

    def _nullable(
        self, type_: graphql.GraphQLOutputType, details: FieldDetailsList, value: str
    ) -> str:
        """Write the completion of the expression `value`, which is evaluated once."""
        first = v = value
        if not value.isidentifier():
            v = self._variable()
            first = f"({v} := {value})"
        if isinstance(type_, GraphQLNonNull):
            return self._present(type_.of_type, details, first, v)
        return f"(None if {first} is None else {self._present(type_, details, v, v)})"

    def _present(self, type_: Any, details: FieldDetailsList, first: str, v: str) -> str:
        """Write the completion of a value that must not be null; `first` is where `v` is read."""
        if isinstance(type_, GraphQLList):
            item = self._variable()
            items = f"[{self._nullable(type_.of_type, details, item)} for {item} in {v}]"
            return (
                f"({items} if {first}.__class__ is list or {v}.__class__ is tuple else unusual())"
            )
        if graphql.is_leaf_type(type_):
            return self._leaf(type_, first, v)
        complete = self._object if isinstance(type_, GraphQLObjectType) else self._abstract
        return f"{complete(type_, details)}({first})"

    def _leaf(self, type_: GraphQLLeafType, first: str, v: str) -> str:
        exact = f"{self._constant(exact_leaf(type_))}({v})"
        if type_ in SERIALIZED:
            condition = SERIALIZED[type_].format(v=v).replace(v, first, 1)
            return f"({v} if {condition} else {exact})"
        if isinstance(type_, graphql.GraphQLEnumType) and (enum := enum_names(type_)) is not None:
            class_, names = map(self._constant, enum)
            return f"({names}[{v}._name_] if {first}.__class__ is {class_} else {exact})"
        coerce, w = self._constant(type_.coerce_output_value), self._variable()
        condition = f"{first}.__class__ in SIMPLE and ({w} := {coerce}({v})).__class__ in ATOMS"
        return f"({w} if {condition} and {w} is not None else {exact})"

    def _object(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        if not decides_by_class(type_):
            raise NotPlainError
        classes = Classes(type_)
        condition = f"s.__class__ not in {self._constant(classes.known)}"
        if type_.is_type_of is not None:
            condition += f" or hasattr(s, {TYPE_CAST_ATTRIBUTE!r})"
        check = f"if {condition}: {self._constant(classes.require)}(s)"
        fields = self.collect(type_, details).grouped_field_set
        written = {response: self.field(type_, below) for response, below in fields.items()}
        return self.fields(written, check)

    def _abstract(self, type_: Any, details: FieldDetailsList) -> str:
        """Write the completion for the types that Strawberry chooses by the value's class."""
        if not getattr(type_.resolve_type, "__qualname__", "").endswith(RESOLVE_BY_CLASS):
            raise NotPlainError
        interface = definition_of(type_)
        names = {}
        for possible in self.schema.get_possible_types(type_):
            definition = definition_of(possible)
            if (
                definition is not None
                and not definition.is_graphql_generic
                and definition.concrete_of is None
                and self.schema.get_type(definition.name) is possible
                and (interface is None or issubclass(definition.origin, interface.origin))
                and decides_by_class(possible)
            ):
                names[definition] = self._object(possible, details)
        self.tables.append((FunctionByClass(), names))
        return self._define(
            f"if hasattr(s, {TYPE_CAST_ATTRIBUTE!r}): unusual()",
            f"return {self._constant(self.tables[-1][0])}[s.__class__](s)",
        )


def attribute_of(field: GraphQLField | None) -> str | None:
    """Return the expression that reads a plain field of the object `s`; None for others."""
    definition = field and field.extensions.get("strawberry-definition")
    if (
        field is None
        or not isinstance(definition, StrawberryField)
        or not getattr(field.resolve, "__qualname__", "").endswith("<locals>._get_basic_result")
        or type(definition).get_result is not StrawberryField.get_result
        or definition.default_resolver is not getattr
    ):
        return None
    name = definition.python_name
    is_simple = name.isidentifier() and name.isascii() and not iskeyword(name)
    return f"s.{name}" if is_simple else f"getattr(s, {name!r})"


def exact_leaf(type_: GraphQLLeafType) -> Function:
    """Return a function that completes any value of a leaf type as graphql-core does, or raises."""

    def exact(value: Any) -> Any:
        is_missing = value is None or value is graphql.Undefined
        if is_missing or isinstance(value, Exception) or hasattr(value, "__await__"):
            raise UnusualValueError
        coerced = type_.coerce_output_value(value)
        if coerced is None or coerced is graphql.Undefined or hasattr(coerced, "__await__"):
            raise UnusualValueError
        return coerced

    return exact


def enum_names(type_: graphql.GraphQLEnumType) -> tuple[type, dict[str, str]] | None:
    """Return the Python class of a Strawberry enum, and its GraphQL names by its Python names."""
    class_ = getattr(type_, "wrapped_cls", None)
    if class_ is None:
        return None
    try:
        return class_, {member.name: type_.coerce_output_value(member) for member in class_}
    except Exception:  # noqa: BLE001 - a member that is not in the schema is an error when it is met
        return None
