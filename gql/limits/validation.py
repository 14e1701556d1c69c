"""The schema's own rules, and the price, as one installation applies them to a document."""

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from domain.errors import LimitExceededError
from gql.limits.cost import CostModel, Variables
from gql.limits.limits import Limits
from gql.limits.shape import fragments_of

# Of one document; more help nobody.
_MAX_FAULTS = 20


def faults(schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Return what is wrong with a document; nothing if it may run."""
    rules = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
    if not limits.introspection:
        rules = (*rules, NoSchemaIntrospectionCustomRule)
    return validate(
        schema,
        document,
        rules,
        max_errors=_MAX_FAULTS,
        hide_suggestions=not limits.suggestions,
    )


def require_price(
    costs: CostModel,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Variables,
    limits: Limits,
) -> int:
    """Return the points of a valid document's operation.

    Raises:
        LimitExceededError: they are too many, or a page is too large.
    """
    points = costs.points(operation, fragments_of(document), variables)
    if points > limits.cost:
        raise LimitExceededError(
            f"The operation may cost {points} points, and {limits.cost} are the most."
            " Ask for smaller pages, or for fewer lists inside lists."
        )
    return points
