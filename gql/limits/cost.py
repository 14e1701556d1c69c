"""The cost of an operation: an upper bound, added up over its document before it runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)

from domain.errors import LimitExceededError
from gql.limits.shape import root_fields
from gql.pages import DEFAULT_PAGE, MAX_PAGE

# The cost of any operation: the token, the document, a transaction.
BASE = 10
# The cost of an event of a subscription: access, serialization, a message.
EVENT = 5
# The cost of a second of CPU time, for work that is measured, such as reading a document.
PER_CPU_SECOND = 2_000
# The cost of a mutation, which writes, and of a subscription, which follows a feed.
ACTION = 20
# The assumed length of a list that neither a page nor its metadata bounds.
LIST = 10
# Objects of introspection that cost 1: they are in memory.
INTROSPECTED = 50
# Keys in a field's metadata: its cost besides its objects, and the length of its list.
COST, MEMBERS = "cost", "members"
# Arguments that bound a list: a number of members, or their ids, as a router sends them too.
_SIZING = ("first", "last", "ids", "representations")

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Rule:
    """The cost of one field of the schema."""

    weight: int
    # The type of its objects; None for a leaf.
    inside: str | None
    # How many objects it returns; None for as many as the page has.
    members: int | None
    # The arguments that bound the page, with their defaults.
    sizing: Mapping[str, object]


class CostModel:
    """Computes the cost of an operation: `BASE`, 1 for each object, and the fields' weights.

    It counts the objects of an answer in which every list is full. A page has the size that the
    client requests; any other list has the length in its metadata, or `LIST`. A selection inside a
    list counts for each object. Branches that exclude each other both count.
    `INTROSPECTED` objects of introspection cost 1; graphql-core bounds its depth.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        actions = (schema.mutation_type, schema.subscription_type)
        self._rules = {
            name: {
                field: _rule(name, type_.fields[field], is_action=type_ in actions)
                for field in type_.fields
            }
            for name, type_ in schema.type_map.items()
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        }
        assert schema.query_type is not None
        self._rules[schema.query_type.name] |= {
            "__schema": _Rule(0, "__Schema", 1, {}),
            "__type": _Rule(0, "__Type", 1, {}),
        }
        self._rules["__Schema"]["types"] = _Rule(0, "__Type", len(schema.type_map), {})
        self._schema = schema
        self._objects = frozenset(
            name for name, type_ in schema.type_map.items() if isinstance(type_, GraphQLObjectType)
        )

    def cost(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Variables,
    ) -> int:
        """Return the cost of a valid operation.

        Raises:
            LimitExceededError: a page, or a list of ids, is larger than `MAX_PAGE`.
        """
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        sum_ = self._sum(operation, fragments, variables)
        return BASE + sum_.selections(operation.selection_set, root.name, 1)

    def event_cost(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Variables,
        type_name: str,
    ) -> int:
        """Return the cost of one event of a valid subscription; its object has type `type_name`."""
        sum_ = self._sum(operation, fragments, variables)
        return EVENT + sum(
            1 + sum_.selections(field.selection_set, type_name, 1)
            for field in root_fields(operation.selection_set, fragments)
            if field.selection_set is not None
        )

    def _sum(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Variables,
    ) -> "_Sum":
        defaults = {
            node.variable.name.value: value_from_ast_untyped(node.default_value)
            for node in operation.variable_definitions or ()
            if node.default_value is not None
        }
        return _Sum(self._rules, fragments, {**defaults, **variables}, self._objects)


@dataclass(frozen=True, slots=True)
class _Sum:
    rules: Mapping[str, Mapping[str, _Rule]]
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Variables
    objects: frozenset[str]

    def selections(self, selections: SelectionSetNode, type_name: str, page: int) -> int:
        """Return the cost inside one object, which may be a page of `page` members."""
        total = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                total += self._field(node, type_name, page)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                total += self._fragment(fragment, type_name, page)
            elif isinstance(node, InlineFragmentNode):
                total += self._fragment(node, type_name, page)
        return total

    def _fragment(
        self, node: FragmentDefinitionNode | InlineFragmentNode, type_name: str, page: int
    ) -> int:
        condition = node.type_condition
        inside = type_name if condition is None else condition.name.value
        if inside != type_name and self.objects.issuperset((inside, type_name)):
            return 0  # a branch for another type than the event's
        return self.selections(node.selection_set, inside, page)

    def _field(self, node: FieldNode, type_name: str, page: int) -> int:
        # A union has no fields but `__typename`.
        rule = self.rules.get(type_name, {}).get(node.name.value)
        if rule is None:
            return 0
        if rule.inside is None or node.selection_set is None:
            return rule.weight
        if rule.sizing:
            page = self._page(node, rule.sizing)
        members = page if rule.members is None else rule.members
        inside = members * (1 + self.selections(node.selection_set, rule.inside, page))
        if node.name.value.startswith("__"):
            inside = ceil(inside / INTROSPECTED)
        return rule.weight + inside

    def _page(self, node: FieldNode, sizing: Mapping[str, object]) -> int:
        arguments = [
            self._value(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in sizing
        ]
        sizes = _numbers(arguments) or _numbers(sizing.values()) or [DEFAULT_PAGE]
        if max(sizes) > MAX_PAGE:
            raise LimitExceededError(
                f"`{node.name.value}` returns at most {MAX_PAGE} items at a time."
                " Request the others separately."
            )
        # The resolver refuses a negative number.
        return max(0, *sizes)

    def _value(self, node: ValueNode) -> object:
        if isinstance(node, VariableNode):
            value = self.variables.get(node.name.value)
            # GraphQL accepts 5.0 for an Int.
            return int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(node, ListValueNode):
            return node.values
        return int(node.value) if isinstance(node, IntValueNode) else None


def _numbers(values: Iterable[object]) -> list[int]:
    counts = [len(value) if isinstance(value, list | tuple) else value for value in values]
    return [count for count in counts if isinstance(count, int)]


def has_members(field: GraphQLField) -> bool:
    """Return whether a field's metadata bounds the length of its list."""
    return MEMBERS in getattr(field.extensions.get("strawberry-definition"), "metadata", {})


def sizes(field: GraphQLField) -> frozenset[str]:
    """Return the arguments that bound the length of a field's list."""
    return frozenset(_SIZING).intersection(field.args)


def _rule(type_name: str, field: GraphQLField, *, is_action: bool) -> _Rule:
    metadata = getattr(field.extensions.get("strawberry-definition"), "metadata", {})
    weight = metadata.get(COST, 0) + (ACTION if is_action else 0)
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return _Rule(weight, None, 0, {})
    sizing = {name: field.args[name].default_value for name in _SIZING if name in field.args}
    members: int | None = 1
    if is_list_type(get_nullable_type(field.type)):
        paged = sizing or type_name.endswith("Connection")
        members = metadata.get(MEMBERS, None if paged else LIST)
    return _Rule(weight, type_.name, members, sizing)
