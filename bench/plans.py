"""Show how Postgres executes a case: EXPLAIN of its statements under the API's login."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from bench.cases import Case
from bench.tenants import BenchTenant
from tests.statements import recorded_queries

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
# These only pass on the rows of their children.
_OMITTED = {"Result", "Materialize"}


async def explain(case: Case, tenant: BenchTenant) -> list[str]:
    """Return the plans of the case's SELECTs about runs, one line per step."""
    read = await case.prepare(tenant)
    with recorded_queries(tenant.api.engine) as queries:
        await read()
        # The driver reports a query in the next turn of the event loop.
        await asyncio.sleep(0)
    lines: list[str] = []
    for query in queries:
        if not query.query.startswith(("SELECT", "WITH")):
            continue
        async with tenant.api.transactions.tenant(tenant.id, tenant.access.user_id) as session:
            (plan,) = await session._driver.fetchval(_EXPLAIN + query.query, *query.args)
        top = plan["Plan"]
        buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        lines.append(f"{plan['Execution Time']:.2f} ms, {buffers} buffers")
        lines += _steps(top, 1)
    return lines


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
