"""What a user of a running installation does: look, start work, and watch it end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.gql.api import SSE, Client

TENANTS = "{ viewer { memberships { role tenant { id slug } } } }"
SYNC = """mutation($tenant: ID!, $scope: String!) {
  startInventorySync(input: {tenantId: $tenant, scopeKey: $scope}) {
    run { id } userErrors { message } } }"""
DRIFT = """mutation($tenant: ID!, $scope: String!) {
  startDriftGeneration(input: {tenantId: $tenant, scopeKey: $scope}) {
    run { id } userErrors { message } } }"""
WATCH = """subscription($run: ID!) { operationRun(id: $run) {
  run { statusBucket counts { total processed failed } } } }"""
RUNS = """query($tenant: ID!) { tenant(id: $tenant) { operationRuns(first: 100) {
  nodes { id runType statusBucket } } } }"""


class User(Client):
    """Somebody with a token, in one tenant."""

    tenant_id: str
    role: str

    @classmethod
    @asynccontextmanager
    async def signed_in(
        cls, base: str, token: str, slug: str | None = None
    ) -> AsyncIterator["User"]:
        """Sign in, into the tenant of this slug or into the first."""
        async with httpx.AsyncClient(
            base_url=base,
            timeout=20,
            trust_env=False,
            verify=False,  # noqa: S501 - no TLS here, and certificates load slowly
        ) as http:
            user = cls(http, token)
            memberships = (await user.data(TENANTS))["viewer"]["memberships"]
            [membership] = [
                one for one in memberships if slug is None or one["tenant"]["slug"] == slug
            ][:1]
            user.tenant_id, user.role = membership["tenant"]["id"], membership["role"]
            yield user

    async def start(self, mutation: str, scope: str) -> str:
        """Start a run; return its id."""
        data = await self.data(mutation, tenant=self.tenant_id, scope=scope)
        [payload] = data.values()
        assert payload["userErrors"] == []
        return str(payload["run"]["id"])

    async def watch(self, run: str) -> Any:
        """Watch the run to its end; return it as it is then."""
        async with self.subscribe(SSE, WATCH, {"run": run}) as stream:
            return (await stream.rest())[-1]["run"]

    async def runs(self) -> list[Any]:
        """Return the newest runs."""
        tenant = (await self.data(RUNS, tenant=self.tenant_id))["tenant"]
        runs: list[Any] = tenant["operationRuns"]["nodes"]
        return runs
