"""A tenant of the demo whose policies and groups are read from a double of Microsoft Graph.

The double is a part of the tests (tests/graph), so this needs a checkout.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.groups.models import RUN_TYPE as GROUP_SYNC
from domain.inventory.models import RUN_TYPE as INVENTORY_SYNC
from domain.runs.models import OperationRun
from domain.tenancy.administration import save_tenant
from domain.tenancy.providers import CredentialKind, GraphScopes, GraphSettings
from domain.tenancy.transactions import Transactions
from opsrun.dev import demo
from opsrun.dev.embedded import EmbeddedServerError
from opsrun.dev.embedded.child import Child, spawn
from opsrun.settings import PREFIX, SettingsError

TENANT = demo.DemoTenant("cumulus", "Cumulus Energy", demo.TENANTS[0].roles)
_CHECKOUT = Path(__file__).parents[2]
_SECRET = "GRAPH_DEMO_SECRET"  # noqa: S105 - a variable's name
_READY_SECONDS = 30.0


def require_double() -> None:
    """Raise SettingsError outside of a checkout."""
    if not (_CHECKOUT / "tests" / "graph" / "__main__.py").exists():
        raise SettingsError("--graph-demo: It needs a checkout of Opsrun, which has the tests.")


@dataclass(frozen=True, slots=True)
class GraphDemo:
    """The running double, and what Opsrun needs to read it."""

    child: Child
    settings: GraphSettings
    environment: Mapping[str, str]

    async def seed(self, transactions: Transactions) -> None:
        """Add the tenant and its members."""
        await save_tenant(transactions, TENANT.slug, TENANT.name, self.settings)
        await demo.save_members(transactions, TENANT)

    def change_after(self, slug: str, run: OperationRun) -> bool:
        """Let policies and groups change after a sync of the tenant; return whether they do."""
        if slug != TENANT.slug or run.run_type not in (INVENTORY_SYNC, GROUP_SYNC):
            return False
        self.child.process.send_signal(signal.SIGHUP)
        return True


@asynccontextmanager
async def running_graph(log: Path) -> AsyncIterator[GraphDemo]:
    """Run the double; its samples are the same at each start.

    Raises:
        EmbeddedServerError: it did not start.
    """
    child = spawn("Graph", [sys.executable, "-m", "tests.graph"], folder=_CHECKOUT, log=log)
    try:
        yield _demo(child, await _said(child))
    finally:
        await child.stop()


async def _said(child: Child) -> dict[str, str]:
    """Return what the double says in its first line."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            # A file has no event to wait for.
            while not (text := child.log_tail()).startswith("{") and not child.ended:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        problem = f"was not ready after {_READY_SECONDS:.0f} seconds"
        raise EmbeddedServerError(child.report(problem)) from None
    if child.ended:
        raise EmbeddedServerError(child.exit_report())
    said: dict[str, str] = json.loads(text.partition("\n")[0])
    return said


def _demo(child: Child, said: Mapping[str, str]) -> GraphDemo:
    settings = GraphSettings(
        tenant=said["tenant"],
        client=said["client"],
        credential=CredentialKind.SECRET,
        reference=f"env:{_SECRET}",
        scopes=GraphScopes.ALL,
    )
    environment = {
        f"{PREFIX}GRAPH_URL": said["graph"],
        f"{PREFIX}GRAPH_AUTHORITY": said["authority"],
        f"{PREFIX}GRAPH_CA_FILE": said["ca_file"],
        _SECRET: said["secret"],
    }
    return GraphDemo(child, settings, environment)
