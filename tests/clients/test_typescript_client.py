"""`client-examples/typescript-client`: typed from the schema, without missed or repeated events."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.acts import export, policy
from tests.clients.conftest import CLOSED_PORT, Fault, Line, Product, assert_nothing_missed
from tests.nodejs import needs_node
from tests.opsrun.api.test_serving import api
from tests.opsrun.commands import Command, running
from tests.opsrun.conftest import Installation
from tests.world import SCOPE

pytestmark = needs_node


def follow_run(
    typescript_client: Path, *scope: str, environment: Mapping[str, str]
) -> AbstractAsyncContextManager[Command]:
    """Run the command of `npm start` with only these settings."""
    program = ("node", "build/follow-run.js")
    return running(*scope, environment=environment, folder=typescript_client, program=program)


async def test_it_follows_a_sync_until_it_succeeds(
    typescript_client: Path, product: Product
) -> None:
    export(product.place, policy("a"), policy("b"))
    environment = product.environment()
    for earlier in (0, 1):
        async with follow_run(typescript_client, SCOPE, environment=environment) as script:
            assert await script.ends() == 0, script.output
        title, *runs, started = script.lines[: earlier + 2]
        assert title == f"The newest runs of Tenant {product.place.slug}:"
        assert ["inventory.sync  SUCCEEDED  2/2" in run for run in runs] == [True] * earlier
        assert started == f"Syncing {SCOPE} (CREATED):"
        assert script.lines[-1].endswith("inventory.sync  SUCCEEDED  2/2")


async def test_it_reports_what_failed(typescript_client: Path, product: Product) -> None:
    export(product.place, policy("a"), {"id": "broken"})
    async with follow_run(typescript_client, SCOPE, environment=product.environment()) as script:
        assert await script.ends() == 1, script.output
    *_, last, failure = script.lines
    assert last.endswith("PARTIALLY_SUCCEEDED  2/2, 1 failed")
    assert "broken" in failure
    assert "INVALID_POLICY" in failure


async def test_it_shows_what_to_fix(typescript_client: Path, product: Product) -> None:
    export(product.place, policy("a"))
    good = product.environment()
    for scope, environment, message in (
        ([SCOPE], good | {"OPSRUN_TOKEN": "forged"}, "The token is not valid here"),
        ([SCOPE], product.environment(TenantRole.READONLY), "role"),
        (["../etc"], good, "A scope key is"),
        ([], good, "Name one scope to sync"),
        ([SCOPE], good | {"OPSRUN_TENANT": "nowhere"}, f"Your tenants: {product.place.slug}"),
        ([SCOPE], good | {"OPSRUN_TOKEN": ""}, "Set OPSRUN_URL, OPSRUN_TOKEN"),
        ([SCOPE], good | {"OPSRUN_URL": "localhost:8000"}, "OPSRUN_URL must be like http://"),
        ([SCOPE], good | {"OPSRUN_URL": product.url}, "not in JSON"),
        ([SCOPE], good | {"OPSRUN_URL": f"http://127.0.0.1:{CLOSED_PORT}"}, "does not answer"),
    ):
        async with follow_run(typescript_client, *scope, environment=environment) as script:
            assert await script.ends() == 2, script.output
        assert message in script.lines[-1]


async def test_its_registered_documents_run_where_only_registered_ones_may(
    typescript_client: Path, product: Product, installation: Installation
) -> None:
    export(product.place, policy("a"))
    variables = installation.environment(Login.MAINTENANCE)
    manifest = str(typescript_client / "src" / "gql" / "persisted-documents.json")
    async with api(installation, TRUSTED_DOCUMENTS="required") as (_, url):
        environment = {**product.environment(), "OPSRUN_URL": f"{url}/graphql"}
        by_hash = {**environment, "OPSRUN_BY_HASH": "1"}
        async with follow_run(typescript_client, SCOPE, environment=by_hash) as script:
            assert await script.ends() == 2
        assert "Only registered documents run here" in script.lines[-1]
        arguments = ("documents", "add", manifest)
        async with running(*arguments, environment=variables, folder=typescript_client) as opsrun:
            assert await opsrun.ends() == 0, opsrun.output
        assert opsrun.lines[-1] == "Registered 5 new documents; 0 were there."
        async with follow_run(typescript_client, SCOPE, environment=by_hash) as script:
            assert await script.ends() == 0, script.output
        assert script.lines[-1].endswith("SUCCEEDED  1/1")
        async with follow_run(typescript_client, SCOPE, environment=environment) as script:
            assert await script.ends() == 2
        assert "Only registered documents run here" in script.lines[-1]


@pytest.mark.parametrize("fault", ["cut", "restart", "silence"])
async def test_it_misses_and_repeats_nothing_while_it_is_disconnected(
    typescript_client: Path, line: Line, fault: Fault
) -> None:
    async with follow_run(typescript_client, SCOPE, environment=line.environment) as script:
        await script.prints("RUNNING  0/335")
        await line.fail(fault)
        assert ("1012" if fault == "restart" else "1006") in await script.prints("Reconnecting")
        await script.prints("Reconnecting", times=2)
        await line.restore()
        assert await script.ends() == 0, script.output
    assert_nothing_missed(script)
    assert script.lines[-1].endswith("SUCCEEDED  335/335")
