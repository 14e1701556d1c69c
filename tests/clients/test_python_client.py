"""`client-examples/python-client`: generated, strictly typed, without missed or repeated events."""

import re
from pathlib import Path

import pytest

from domain.tenancy.roles import TenantRole
from tests.acts import export, policy
from tests.clients.conftest import Fault, Line, Product, assert_nothing_missed
from tests.clients.environments import Example
from tests.world import SCOPE

SCRIPT = "follow_run.py"


@pytest.fixture(scope="session")
def example(python_client: Path) -> Example:
    return Example(python_client)


def test_the_generated_client_and_the_script_are_strictly_typed(example: Example) -> None:
    example.call(example.tool("mypy"))


async def test_it_follows_a_sync_until_it_succeeds(example: Example, product: Product) -> None:
    export(product.place, policy("a"), policy("b"))
    async with example.script(SCRIPT, SCOPE, environment=product.environment()) as script:
        assert await script.ends() == 0, script.output
    assert script.lines[0] == f"The newest runs of {product.place.slug}:"
    assert "(CREATED)" in script.lines[1]
    assert re.search(r"FINISHED +inventory\.sync +SUCCEEDED +2/2$", script.lines[-1])


async def test_it_reports_what_failed(example: Example, product: Product) -> None:
    export(product.place, policy("a"), {"id": "broken"})
    async with example.script(SCRIPT, SCOPE, environment=product.environment()) as script:
        assert await script.ends() == 1, script.output
    *_, last, failure = script.lines
    assert "PARTIALLY_SUCCEEDED  2/2, 1 failed" in last
    assert "broken" in failure
    assert "(INVALID_POLICY)" in failure


async def test_it_shows_what_to_fix(example: Example, product: Product) -> None:
    export(product.place, policy("a"))
    good = product.environment()
    for scope, environment, message in (
        ("../etc", good, "scope"),
        (SCOPE, good | {"OPSRUN_TENANT": "nowhere"}, f"your tenants are: {product.place.slug}"),
        (SCOPE, good | {"OPSRUN_TOKEN": ""}, "Set OPSRUN_TOKEN"),
        (SCOPE, good | {"OPSRUN_TOKEN": "forged"}, "Opsrun refuses: HTTP status code: 401"),
        (SCOPE, product.environment(TenantRole.READONLY), "Opsrun refuses: "),
        (SCOPE, good | {"OPSRUN_URL": "http://127.0.0.1:1/graphql"}, "No connection"),
    ):
        async with example.script(SCRIPT, scope, environment=environment) as script:
            assert await script.ends() == 2, script.output
        assert message in script.lines[-1]
        assert "Traceback" not in script.output


@pytest.mark.parametrize("fault", ["cut", "restart"])
async def test_it_misses_and_repeats_nothing_while_it_is_disconnected(
    example: Example, line: Line, fault: Fault
) -> None:
    async with example.script(SCRIPT, SCOPE, environment=line.environment) as script:
        await script.prints("RUNNING")
        await line.fail(fault)
        if fault == "restart":
            assert "1012" in await script.prints("Disconnected")
        await script.prints("Disconnected", times=2)
        await line.restore()
        assert await script.ends() == 0, script.output
    assert_nothing_missed(script)
