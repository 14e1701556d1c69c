"""The checks of a document, of the operation chosen from it, and of its variables."""

from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from domain.errors import BadInputError, LimitExceededError
from gql.limits.cost import CostModel, Variables
from gql.limits.limits import Limits
from gql.limits.shape import fragments_of

# Errors in one answer. Computing an error's suggestions takes longer than finding the error.
MAX_ERRORS = 3
# Comparisons of fields to merge, two for each pair, about 0.4 µs each. graphql-core allows ten
# times as many by default.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 50_000


def validate_document(
    schema: GraphQLSchema, document: DocumentNode, limits: Limits
) -> list[GraphQLError]:
    """Return the errors of a document; none if it may run."""
    rules = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
    if not limits.introspection:
        rules = (*rules, NoSchemaIntrospectionCustomRule)
    return validate(
        schema, document, rules, max_errors=MAX_ERRORS, hide_suggestions=not limits.suggestions
    )


class UnknownOperationError(BadInputError):
    """The request does not choose an operation of its document."""


class OperationTypeError(BadInputError):
    """The transport does not execute operations of this type."""

    def __init__(self, operation_type: OperationType) -> None:
        super().__init__(
            "Send mutations by POST."
            if operation_type is OperationType.MUTATION
            else f"This request cannot run a {operation_type.value}."
        )
        self.operation_type = operation_type


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return all operations of a document.

    Raises:
        UnknownOperationError: there are none.
    """
    nodes = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if not nodes:
        raise UnknownOperationError("The document has no operation.")
    return nodes


def chosen_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation of this name; without a name, the only operation.

    Raises:
        UnknownOperationError: no operation has this name, or a name is needed.
    """
    nodes = operations_of(document)
    if name is not None:
        for node in nodes:
            if node.name is not None and node.name.value == name:
                return node
        raise UnknownOperationError(f'Unknown operation named "{name}".')
    if len(nodes) > 1:
        raise UnknownOperationError(
            "The document has several operations: name the one to run in `operationName`."
        )
    return nodes[0]


def require_variables(variables: Variables, limits: Limits) -> None:
    """Refuse variables with more values than a document may have tokens, or more levels.

    Raises:
        LimitExceededError: there are too many.
    """
    level: list[Any] = [variables]
    count = depth = 0
    while level:
        count, depth = count + sum(map(len, level)), depth + 1
        if count > limits.tokens or depth > limits.depth:
            raise LimitExceededError(
                f"The variables have more than {limits.tokens} values, or {limits.depth} levels."
                " Ask for less at a time."
            )
        level = [
            value
            for container in level
            for value in (container.values() if isinstance(container, Mapping) else container)
            if isinstance(value, dict | list) and value
        ]


def require_cost(
    costs: CostModel,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Variables,
    limits: Limits,
) -> int:
    """Return the cost of a valid document's operation.

    Raises:
        LimitExceededError: the cost is too high, or a page is too large.
    """
    cost = costs.cost(operation, fragments_of(document), variables)
    if cost > limits.cost:
        raise LimitExceededError(
            f"The operation costs {cost}, and the limit is {limits.cost}."
            " Ask for smaller pages, or for fewer lists inside lists."
        )
    return cost
