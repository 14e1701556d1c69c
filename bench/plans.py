"""How Postgres reads a case: the real statement, explained under the API's login."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.cases import Case
from bench.subject import Subject

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
# Joining the tenant's one row costs nothing; what these do is said by their children.
_SILENT = {"Result", "Materialize"}


async def explain(case: Case, subject: Subject) -> list[str]:
    """Return the plans of the case's SELECTs about runs, one line per step."""
    read = await case.prepare(subject)
    with _statements(subject.api.engine) as statements:
        await read()
    lines: list[str] = []
    for statement, parameters in statements:
        if "set_config" in statement or not statement.startswith(("SELECT", "WITH")):
            continue
        async with subject.api.transactions.open(
            subject.tenant_id, subject.access.user_id
        ) as connection:
            explained = await connection.exec_driver_sql(_EXPLAIN + statement, parameters)
            (plan,) = explained.scalar_one()
        top = plan["Plan"]
        buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        lines.append(f"{plan['Execution Time']:.2f} ms, {buffers} buffers")
        lines += _steps(top, 1)
    return lines


@contextmanager
def _statements(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    noted: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        noted.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


def _steps(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    if node.get("Relation Name") == "tenant" or node.get("Parent Relationship") == "SubPlan":
        return
    if node["Node Type"] not in _SILENT:
        yield "  " * depth + _step(node)
        depth += 1
    for child in node.get("Plans", ()):
        yield from _steps(child, depth)


def _step(node: Mapping[str, Any]) -> str:
    parts = [node["Node Type"]]
    if node.get("Scan Direction") == "Backward":
        parts.append("backward")
    if name := node.get("Index Name") or node.get("Relation Name") or node.get("Alias"):
        parts.append(name)
    parts.append(f"rows={node['Actual Rows']:g}")
    if node["Actual Loops"] != 1:
        parts.append(f"loops={node['Actual Loops']:g}")
    for label, key in (
        ("filtered", "Rows Removed by Filter"),
        ("heap fetches", "Heap Fetches"),
        ("sorted", "Sort Method"),
    ):
        if node.get(key):
            parts.append(f"({label}: {node[key]})")
    return " ".join(parts)
