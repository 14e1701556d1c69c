"""The operation that a request chooses from its document."""

from collections.abc import Collection

from graphql import DocumentNode, OperationDefinitionNode, OperationType

from domain.errors import BadInputError

MUTATION_MESSAGE = "Send mutations by POST."


class UnknownOperationError(BadInputError):
    """The request does not choose an operation of its document."""


class OperationTypeError(BadInputError):
    """The transport does not execute operations of this type."""

    def __init__(self, operation_type: OperationType) -> None:
        super().__init__(
            MUTATION_MESSAGE
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
        UnknownOperationError: there is no such operation, or a name is needed.
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


def require_type(operation: OperationDefinitionNode, allowed: Collection[OperationType]) -> None:
    """Refuse an operation whose type the transport does not execute.

    Raises:
        OperationTypeError: its type is not among the allowed ones.
    """
    if operation.operation not in allowed:
        raise OperationTypeError(operation.operation)
