"""Strategies for GraphQL documents: nearly valid ones, hostile ones, and random tokens."""

import re

from hypothesis import strategies as st

from tests.fuzz.pool import Pool

# fmt: off
_TOKENS = st.sampled_from([
    "{", "}", "(", ")", "[", "]", "...", "on", "query", "mutation", "subscription", "fragment", "$",
    "$x", ":", "!", "=", "@", "@skip(if: true)", "@include(if: $x)", "@defer", "@stream", "|", "&",
    "# no\n", ",", "\n", "\ufeff", "id", "a", "viewer", "tenant", "operationRuns", "nodes", "name",
    "__schema", "__type(name: \"Tenant\")", "__typename", "fields", "type", "ofType", "1", "-1",
    "01", "1e999", "1.5", '"a"', '"""b"""', '"\\ud800"', '"\\u{110000}"', '"\x00"', "null", "true",
    "F", "interface", "extend", "Query", "Tenant", "ID", "String", "Int", "💥",
])
# fmt: on
_RANDOM_TOKENS = st.lists(_TOKENS, max_size=40).map(" ".join)


def _edited(document: str, edits: list[tuple[str, int, int, str]]) -> str:
    tokens = re.findall(r"\w+|\S", document)
    for kind, index, length, token in edits:
        start = index % (len(tokens) + 1)
        part = tokens[start : start + length]
        changed = {"drop": [], "repeat": part * 3, "replace": [token], "reverse": part[::-1]}[kind]
        tokens[start : start + length] = changed
    return " ".join(tokens)


_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "repeat", "replace", "reverse"]),
        st.integers(0, 200),
        st.integers(1, 8),
        _TOKENS,
    ),
    min_size=1,
    max_size=4,
)


def _nested(tenant: str, levels: int) -> str:
    inner = f"{'operationRuns { nodes { tenant { ' * levels} id {'} } } ' * levels}"
    return f'{{ tenant(id: "{tenant}") {{ {inner} }} }}'


def _chained(_tenant: str, links: int) -> str:
    """Fragments that each spread the next one twice; the last one spreads the first."""
    spreads = " ".join(
        f"fragment F{n} on Viewer {{ a{n}: name ...F{(n + 1) % links} ...F{(n + 1) % links} }}"
        for n in range(links)
    )
    return f"{{ viewer {{ ...F0 }} }} {spreads}"


def _doubling(tenant: str, links: int) -> str:
    """Fragments that each spread the next one twice; the last one spreads none."""
    last = f"fragment F{links} on Tenant {{ id }}"
    spreads = " ".join(
        f"fragment F{n} on Tenant {{ ...F{n + 1} ... on Tenant {{ ...F{n + 1} }} }}"
        for n in range(links)
    )
    return f'{{ tenant(id: "{tenant}") {{ ...F0 }} }} {spreads} {last}'


def _aliased(_tenant: str, count: int) -> str:
    return f"{{ {' '.join(f'a{n}: viewer {{ name }}' for n in range(count))} }}"


def _repeated(_tenant: str, count: int) -> str:
    return f"{{ {'viewer { name } ' * count} }}"


def _overlapping(_tenant: str, count: int) -> str:
    return f"{{ viewer {{ {'memberships { tenant { id name } } ' * count} }} }}"


def _directed(_tenant: str, count: int) -> str:
    return f"{{ viewer {{ name {'@include(if: true) ' * count} }} }}"


def _listed(_tenant: str, count: int) -> str:
    return f"{{ nodes(ids: {'[' * count}{']' * count}) {{ id }} }}"


def _introspecting(_tenant: str, levels: int) -> str:
    return (
        f"{{ __schema {{ types {{ {'fields { type { ' * levels} name {'} ' * 2 * levels} }} }} }}"
    )


_HOSTILE = [
    _nested,
    _chained,
    _doubling,
    _aliased,
    _repeated,
    _overlapping,
    _directed,
    _listed,
    _introspecting,
]


_USUAL = [
    '{ tenant(id: "%(tenant)s") { name operationRuns(first: 2) { nodes { id status } } } }',
    "query Q($x: Boolean = true) { viewer { ...V @include(if: $x) } }"
    " fragment V on Viewer { name memberships { role tenant { id } } }",
    'mutation { startInventorySync(input: {tenantId: "%(tenant)s", scopeKey: "servers"}) {'
    " outcome userErrors { code } } }",
    'subscription { operationRuns(tenantId: "%(tenant)s", filter: {runTypes: ["x"]}) {'
    " __typename ... on FeedReset { cursor } } }",
    '{ __type(name: "Tenant") { fields { name args { name defaultValue } } } }',
]


def documents(pool: Pool) -> st.SearchStrategy[str]:
    """Usual, edited and hostile documents, and random tokens."""
    tenant = pool.ours.world.global_id
    usual = st.sampled_from([document % {"tenant": tenant} for document in _USUAL])
    hostile = st.builds(
        lambda make, size: make(tenant, size),
        st.sampled_from(_HOSTILE),
        st.one_of(st.integers(1, 20), st.integers(1, 400)),
    )
    return st.one_of(usual, st.builds(_edited, usual, _EDITS), _RANDOM_TOKENS, hostile)
