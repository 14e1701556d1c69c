"""Show how Postgres executes a read: EXPLAIN of its statements under the API's login."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from bench.timing import Work
from domain.tenancy.models import TenantAccess
from opsrun.resources import Resources
from tests.statements import recorded_queries

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
# These only pass on the rows of their children.
_OMITTED = {"Result", "Materialize"}


async def explain(read: Work, api: Resources, access: TenantAccess) -> list[str]:
    """Return the plans of the SELECTs of a read about runs, one line per step."""
    lines: list[str] = []
    for plan in await plans(read, api, access):
        lines.append(f"{plan['Execution Time']:.2f} ms, {buffers(plan)} buffers")
        lines += _steps(plan["Plan"], 1)
    return lines


async def plans(read: Work, api: Resources, access: TenantAccess) -> list[Mapping[str, Any]]:
    """Execute the SELECTs of a read once more; return what EXPLAIN says of each."""
    with recorded_queries(api.engine) as queries:
        await read()
        # The driver reports a query in the next turn of the event loop.
        await asyncio.sleep(0)
    explained = []
    for query in queries:
        if query.query.startswith(("SELECT", "WITH")):
            async with api.transactions.tenant(access.tenant_id, access.user_id) as session:
                [plan] = await session._driver.fetchval(_EXPLAIN + query.query, *query.args)
            explained.append(plan)
    return explained


def buffers(plan: Mapping[str, Any]) -> int:
    """Return how many pages an explained statement read."""
    top = plan["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


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
