"""The size of a document, which is checked before its validation."""

from collections.abc import Iterator, Mapping, Sequence

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

from domain.errors import BadInputError, LimitExceededError
from gql.limits.limits import Limits


def require_shape(document: DocumentNode, limits: Limits) -> None:
    """Refuse a document with an operation that exceeds the limits.

    Takes time in proportion to the limits at most, however the fragments are nested.

    Raises:
        LimitExceededError: names the limit.
        BadInputError: no operation uses a fragment, so that no limit applies to it.
    """
    fragments = fragments_of(document)
    unused = set(fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            measure = _Measure(limits, fragments)
            measure.operation(node)
            unused -= measure.spread
    if unused:
        raise BadInputError(f"Fragment '{min(unused)}' is never used.")


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return a document's fragments by name."""
    return {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }


def root_fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """Yield an operation's root fields, including those inside fragments."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, FragmentSpreadNode):
            yield from root_fields(fragments[node.name.value].selection_set, fragments)
        elif isinstance(node, InlineFragmentNode):
            yield from root_fields(node.selection_set, fragments)


class _Measure:
    """Measures one operation, and stops at the first limit that it exceeds."""

    def __init__(self, limits: Limits, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._limits = limits
        self._fragments = fragments
        self.spread: set[str] = set()
        self._counts = {"fields": 0, "aliases": 0, "directives": 0, "duplicates": 0}

    def operation(self, node: OperationDefinitionNode) -> None:
        self._directives(node, *(node.variable_definitions or ()))
        try:
            self._selections(node.selection_set, 1, frozenset())
        except RecursionError:  # fragments inside fragments, without a field between them
            raise _exceeded("levels of depth", self._limits.depth) from None

    def _selections(self, selections: SelectionSetNode, depth: int, inside: frozenset[str]) -> None:
        if depth > self._limits.depth:
            raise _exceeded("levels of depth", self._limits.depth)
        self._duplicates(selections.selections)
        for selection in selections.selections:
            # A spread counts too: otherwise a document could spread millions of empty fragments.
            self._count("fields", 1)
            self._directives(selection)
            if isinstance(selection, FieldNode):
                self._count("aliases", selection.alias is not None)
                if selection.selection_set is not None:
                    self._selections(selection.selection_set, depth + 1, inside)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                self.spread.add(name)
                fragment = self._fragments.get(name)
                # Validation reports a fragment that is missing or spreads itself.
                if fragment is not None and name not in inside:
                    self._directives(fragment)
                    self._selections(fragment.selection_set, depth, inside | {name})
            elif isinstance(selection, InlineFragmentNode):
                self._selections(selection.selection_set, depth, inside)

    def _directives(self, *nodes: Node) -> None:
        self._count(
            "directives", sum(len(getattr(node, "directives", None) or ()) for node in nodes)
        )

    def _duplicates(self, selections: Sequence[SelectionNode]) -> None:
        names = [_name(node) for node in selections]
        self._count("duplicates", len(names) - len(set(names)))

    def _count(self, what: str, more: int) -> None:
        self._counts[what] += more
        if self._counts[what] > (limit := getattr(self._limits, what)):
            raise _exceeded(what, limit)


def _name(node: SelectionNode) -> object:
    """Return a key that is equal for selections that repeat each other."""
    if isinstance(node, FieldNode):
        return (node.alias or node.name).value
    if isinstance(node, FragmentSpreadNode):
        return f"...{node.name.value}"
    return id(node)


def _exceeded(what: str, limit: int) -> LimitExceededError:
    return LimitExceededError(
        f"The operation has more than {limit} {what}, counting fragments wherever they are"
        " spread. Ask for less at a time."
    )
