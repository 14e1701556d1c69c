"""What an operation may cost at most: a sum over its document, before anything runs."""

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

# Points of any operation: who asks, the document, a transaction.
BASE = 10
# Points of an event of a subscription: rights, serialization, a message.
EVENT = 5
# Points of a second of CPU. What no rule prices, as reading a document, is measured.
PER_CPU_SECOND = 2_000
# Points of a mutation, which writes, and of a subscription, which follows a feed.
ACT = 20
# Members of a list that neither a page nor its metadata bound.
LIST = 10
# Objects of introspection for a point: they are in memory.
INTROSPECTED = 50
# Keys in a field's metadata: what it costs besides its objects, and how long its list may be.
POINTS, MEMBERS = "points", "members"
# Arguments that say how many members there are: numbers, or a list of them.
_SIZING = ("first", "last", "ids")

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one field of the schema costs."""

    weight: int
    # None for a leaf.
    inside: str | None
    # How many objects it answers with; None for as many as the page has.
    members: int | None
    # Its arguments that bound the page, with their defaults.
    sizing: Mapping[str, object]


class CostModel:
    """Counts the points of an operation: `BASE`, 1 for each object, and the fields' weights.

    The objects are as many as the answer has when every list is full: a page has as many
    members as were asked for, any other list as many as its metadata say, or `LIST`. What
    stands inside a list counts for each member. Branches that exclude each other count both.
    `INTROSPECTED` objects of introspection cost 1; graphql-core bounds its depth.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        acts = (schema.mutation_type, schema.subscription_type)
        self._rules = {
            name: {
                field: _rule(name, type_.fields[field], is_act=type_ in acts)
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

    def points(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Variables,
    ) -> int:
        """Return the points of a valid operation.

        Raises:
            LimitExceededError: a page, or a list of ids, is larger than `MAX_PAGE`.
        """
        root = self._schema.get_root_type(operation.operation)
        assert root is not None
        sum_ = self._sum(operation, fragments, variables)
        return BASE + sum_.selections(operation.selection_set, root.name, 1)

    def event_points(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Variables,
        type_name: str,
    ) -> int:
        """Return the points of one event of a valid subscription, which is of this object type."""
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
        """Return the points inside one object, which may be a page of so many members."""
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
            return 0  # an event of one type, and the branch of another
        return self.selections(node.selection_set, inside, page)

    def _field(self, node: FieldNode, type_name: str, page: int) -> int:
        # Unions have `__typename` only.
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
        given = [
            self._given(argument.value)
            for argument in node.arguments or ()
            if argument.name.value in sizing
        ]
        sizes = _numbers(given) or _numbers(sizing.values()) or [DEFAULT_PAGE]
        if max(sizes) > MAX_PAGE:
            raise LimitExceededError(
                f"`{node.name.value}` has at most {MAX_PAGE} members at a time."
                " Ask for the others afterwards."
            )
        # The resolver refuses what is below 0.
        return max(0, *sizes)

    def _given(self, value: ValueNode) -> object:
        if isinstance(value, VariableNode):
            given = self.variables.get(value.name.value)
            # As GraphQL takes it for an Int.
            return int(given) if isinstance(given, float) and given.is_integer() else given
        if isinstance(value, ListValueNode):
            return value.values
        return int(value.value) if isinstance(value, IntValueNode) else None


def _numbers(values: Iterable[object]) -> list[int]:
    counts = [len(value) if isinstance(value, list | tuple) else value for value in values]
    return [count for count in counts if isinstance(count, int)]


def _rule(type_name: str, field: GraphQLField, *, is_act: bool) -> _Rule:
    said = getattr(field.extensions.get("strawberry-definition"), "metadata", {})
    weight = said.get(POINTS, 0) + (ACT if is_act else 0)
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return _Rule(weight, None, 0, {})
    sizing = {name: field.args[name].default_value for name in _SIZING if name in field.args}
    members: int | None = 1
    if is_list_type(get_nullable_type(field.type)):
        paged = sizing or type_name.endswith("Connection")
        members = None if paged else said.get(MEMBERS, LIST)
    return _Rule(weight, type_.name, members, sizing)
