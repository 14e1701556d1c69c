"""Random documents for a schema; most of them are valid."""

from random import Random
from typing import Any

from graphql import GraphQLSchema, get_named_type, is_abstract_type, is_leaf_type, is_union_type

# The variables that documents may use, with their types.
VARIABLES = {
    "a": "Boolean! = false",
    "b": "Boolean! = true",
    "n": "Int! = 3",
    "e": "Even! = 2",
    "w": "Wish",
}
_DIRECTIVES = [" @skip(if: $a)", " @include(if: $b)", " @skip(if: false)", " @include(if: true)"]
_ARGUMENTS = {
    "loud": ["", "(times: 2)", "(times: $n)"],
    "owner": ["", "(k: 1)", "(k: $n)"],
    "louder": ["", "(even: 4)", "(even: $e)"],
    "required": ["", "(value: null)", '(value: "v")'],
    "static": ["", "(x: $n)"],
    "wish": [
        "",
        "(wish: {color: BLUE})",
        "(wish: {numbers: [1, $n]}, more: [$n])",
        "(wish: $w)",
    ],
}


def variables(r: Random, document: str) -> dict[str, Any]:
    """Return values of the variables that a document declares."""
    values = {
        "a": r.random() < 0.5,
        "b": r.random() < 0.5,
        "n": r.randrange(3),
        "e": r.choice([2, 4, 4]),
        "w": r.choice([None, {"color": "RED"}]),
    }
    return {name: value for name, value in values.items() if f"${name}:" in document}


class Documents:
    """Generates a document."""

    def __init__(self, schema: GraphQLSchema, r: Random) -> None:
        self.schema, self.r = schema, r
        self.fragments: list[str] = []

    def document(self) -> str:
        """Return a query, mutation or subscription."""
        schema = self.schema
        others = [("mutation", schema.mutation_type), ("subscription", schema.subscription_type)]
        roots = [("query", schema.query_type)] * 6 + [root for root in others if root[1]]
        kind, root = self.r.choice(roots)
        assert root is not None
        if kind == "subscription":
            event = get_named_type(root.fields["trees"].type)
            body = f"trees {{ {self._selection(event, 3)} }}"
        else:
            body = self._selection(root, 4)
        text = " ".join([body, *self.fragments])
        declared = [f"${name}: {type_}" for name, type_ in VARIABLES.items() if f"${name}" in text]
        signature = f"({', '.join(declared)})" if declared else ""
        return " ".join([f"{kind} Q{signature} {{ {body} }}", *self.fragments])

    def _selection(self, type_: Any, depth: int) -> str:
        r, selected = self.r, []
        names = [] if is_union_type(type_) else list(type_.fields)
        r.shuffle(names)
        for name in names[: r.randrange(1, 7)]:
            inner = get_named_type(type_.fields[name].type)
            alias = r.choice(["", "", "", f"x{r.randrange(3)}{name}: "])
            number = ["", "(n: 1)", "(n: $n)"] if "n" in type_.fields[name].args else [""]
            arguments = r.choice(_ARGUMENTS.get(name, number))
            field = f"{alias}{name}{arguments}{self._directive()}"
            if is_leaf_type(inner):
                selected.append(field)
            elif depth:
                selected.append(f"{field} {{ {self._selection(inner, depth - 1)} }}")
        if r.random() < 0.3 or not selected:
            selected.append("__typename")
        below = max(depth - 1, 0)
        if is_abstract_type(type_):
            possible = [p for p in self.schema.get_possible_types(type_) if r.random() < 0.7]
            selected += [self._inline(on, below) for on in possible]
        elif r.random() < 0.3:
            on = r.choice([type_, *type_.interfaces])
            selected.append(r.choice([self._inline, self._spread])(on, below))
        if r.random() < 0.15:
            selected.append(r.choice(selected))
        return " ".join(selected)

    def _directive(self) -> str:
        return self.r.choice(_DIRECTIVES) if self.r.random() < 0.4 else ""

    def _inline(self, on: Any, depth: int) -> str:
        return f"... on {on.name}{self._directive()} {{ {self._selection(on, depth)} }}"

    def _spread(self, on: Any, depth: int) -> str:
        name = f"F{len(self.fragments)}"
        self.fragments.append("")
        text = f"fragment {name} on {on.name} {{ {self._selection(on, depth)} }}"
        self.fragments[int(name[1:])] = text
        return f"...{name}{self._directive()}"
