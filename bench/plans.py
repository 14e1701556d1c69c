"""Show how Postgres executes a case: EXPLAIN of its statements under the API's login."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.cases import Case
from bench.tenants import BenchTenant

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
# These only pass on the rows of their children.
_OMITTED = {"Result", "Materialize"}
_ENTER = text(
    "SELECT set_config('opsrun.tenant_id', :tenant_id, true),"
    " set_config('opsrun.user_id', :user_id, true)"
)


async def explain(case: Case, tenant: BenchTenant) -> list[str]:
    """Return the plans of the case's SELECTs about runs, one line per step."""
    read = await case.prepare(tenant)
    with _statements(tenant.api.engine) as statements:
        await read()
    lines: list[str] = []
    for statement, parameters in statements:
        if "set_config" in statement or not statement.startswith(("SELECT", "WITH")):
            continue
        async with tenant.api.engine.connect() as connection:
            await connection.execute(
                _ENTER, {"tenant_id": str(tenant.id), "user_id": str(tenant.access.user_id)}
            )
            explained = await connection.exec_driver_sql(_EXPLAIN + statement, parameters)
            (plan,) = explained.scalar_one()
        top = plan["Plan"]
        buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        lines.append(f"{plan['Execution Time']:.2f} ms, {buffers} buffers")
        lines += _steps(top, 1)
    return lines


@contextmanager
def _statements(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", record)


def _steps(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    # The join with the tenant's one row costs nothing.
    if node.get("Relation Name") == "tenant" or node.get("Parent Relationship") == "SubPlan":
        return
    if node["Node Type"] not in _OMITTED:
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
