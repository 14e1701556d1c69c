"""What an operation selects, so that resolvers read and build nothing else."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, TypeVar

from graphql import FieldNode, FragmentSpreadNode, GraphQLResolveInfo, SelectionSetNode

from gql.context import Info

T = TypeVar("T")


def selected_fields(info: Info) -> frozenset[str]:
    """Return the names of all fields below the current one, whatever their types and conditions."""
    raw = info._raw_info
    # Kept in the parsed operation, so for as long as the document is cached.
    kept: dict[tuple[int, ...], frozenset[str]]
    kept = raw.operation.__dict__.setdefault("selected_fields", {})
    key = tuple(map(id, raw.field_nodes))
    if key not in kept:
        sets = (node.selection_set for node in raw.field_nodes if node.selection_set)
        kept[key] = frozenset(name for selections in sets for name in _names(selections, raw))
    return kept[key]


def _names(selections: SelectionSetNode, raw: GraphQLResolveInfo[Any]) -> Iterator[str]:
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node.name.value
        below: Any = node
        if isinstance(node, FragmentSpreadNode):
            below = raw.fragments[node.name.value]
        if below.selection_set:
            yield from _names(below.selection_set, raw)


def reads_from(source: str) -> Callable[[type[T]], type[T]]:
    """Let a subclass of a GraphQL type read the fields that it does not define from `source`.

    `source` is an attribute of the object; fields with a resolver stay as they are.

        @reads_from("model")
        class _Run(OperationRun):
            def __init__(self, model: models.OperationRun) -> None:
                self.model = model
    """

    def complete(view: type[T]) -> type[T]:
        definition: Any = view.__strawberry_definition__  # type: ignore[attr-defined]
        for field in definition.fields:
            name = field.python_name
            if field.base_resolver is None and name not in vars(view):
                setattr(view, name, property(attrgetter(f"{source}.{name}")))
        return view

    return complete
