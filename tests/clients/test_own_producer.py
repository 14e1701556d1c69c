"""`client-examples/own-producer`: installed with pip beside the wheel, and run by the product."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domain.tenancy.roles import TenantRole
from opsrun.postgres.engines import Login
from tests.client import User
from tests.clients.conftest import Product
from tests.installing import call, copied
from tests.nodejs import needs_node
from tests.opsrun.commands import Command, running
from tests.opsrun.conftest import Installation
from tests.wheel import Environment, made_environment
from tests.world import World

MONTH = "2026-11"
REASON = "REPORT_USAGE_INVALID"


@dataclass(frozen=True, slots=True)
class Example:
    """A copy of the example, and the environment in which it is installed beside Opsrun."""

    folder: Path
    environment: Environment


@pytest.fixture(scope="module")
def example(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example and the wheel in a clean environment."""
    folder = tmp_path_factory.mktemp("own_producer")
    source = copied("own-producer", folder)
    return Example(source, made_environment(folder, wheel, source))


@pytest.fixture(scope="module")
async def served(example: Example, installation: Installation) -> AsyncIterator[str]:
    """The URL of an installation whose processes know the example."""
    folder = installation.folder
    variables = {
        "REPORT_USAGE": str(folder / "usage"),
        "REPORT_FOLDER": str(folder / "reports"),
        "REPORT_URL": "https://reports.example",
    }
    async with AsyncExitStack() as stack:
        for login in (Login.MAINTENANCE, Login.WORKER, Login.API):
            command = await stack.enter_async_context(
                running(
                    login.removeprefix("opsrun_"),
                    environment={**installation.environment(login, PORT="0"), **variables},
                    folder=folder,
                    program=(str(example.environment.program),),
                )
            )
        match = re.search(r"http://127\.0\.0\.1:\d+", await command.prints("Listening on "))
        assert match is not None
        yield match[0]


@pytest.fixture
def product(served: str, place: World, installation: Installation) -> Product:
    """The product, and a tenant with the usage of three departments."""
    usage = installation.folder / "usage" / str(place.tenant_id)
    for department, line in (("finance", "Mail,12"), ("sales", "Mail,many"), ("legal", None)):
        (usage / department).mkdir(parents=True)
        if line is not None:
            (usage / department / f"{MONTH}.csv").write_text(f"product,hours\n{line}\n")
    return Product(served, place)


OUTCOMES = [
    f"sales: Line 2 of {MONTH}.csv is not a product and its hours. Correct the line in the"
    f" department's file, then start the export again. ({REASON})",
    f"legal: Nothing was used in {MONTH}.",
]


def links(product: Product) -> list[str]:
    return [f"Reports: https://reports.example/{product.place.tenant_id}/{MONTH}/"]


def start_py(
    example: Example, product: Product, *arguments: str
) -> AbstractAsyncContextManager[Command]:
    return running(
        *("start.py", *arguments),
        environment=product.environment(),
        folder=example.folder,
        program=(str(example.environment.folder / "bin" / "python"),),
    )


def test_its_tests_pass_in_its_environment(example: Example) -> None:
    code, output, errors = example.environment.python(example.folder, "-m", "pytest", "-q")
    assert code == 0, output + errors
    assert re.search(r"\b\d+ passed in", output)


def test_it_is_strictly_typed(example: Example) -> None:
    code, output, _ = example.environment.python(example.folder, "-m", "mypy")
    assert code == 0, output


async def test_python_starts_it_and_watches_it_live(example: Example, product: Product) -> None:
    async with start_py(example, product, MONTH) as script:
        assert await script.ends() == 1, script.output
    assert script.lines[0].split()[0] in ("QUEUED", "RUNNING"), script.output
    assert script.lines[-4:] == ["PARTIALLY_SUCCEEDED 3/3", *OUTCOMES, *links(product)]


@needs_node
async def test_typescript_starts_it_and_watches_it_live(
    example: Example, product: Product, typescript_client: Path, tmp_path: Path
) -> None:
    # Only the compiler comes from the other example.
    (tmp_path / "node_modules").symlink_to(typescript_client / "node_modules")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(typescript_client / name, tmp_path)
    (tmp_path / "src").mkdir()
    shutil.copy(example.folder / "start.ts", tmp_path / "src")
    call(tmp_path, "node", "node_modules/typescript/bin/tsc")
    async with running(
        MONTH,
        environment=product.environment(),
        folder=tmp_path,
        program=("node", "build/start.js"),
    ) as script:
        assert await script.ends() == 1, script.output
    assert script.lines[0].split()[0] in ("QUEUED", "RUNNING"), script.output
    assert script.lines[-4:] == ["PARTIALLY_SUCCEEDED 3/3", *OUTCOMES, *links(product)]


@pytest.mark.parametrize(
    ("context", "message"),
    [(("2026-13",), "month"), ((MONTH, "../other"), "departments")],
)
async def test_python_shows_what_to_correct(
    example: Example, product: Product, context: tuple[str, ...], message: str
) -> None:
    async with start_py(example, product, *context) as script:
        assert await script.ends() == 2, script.output
    assert message in script.output
    assert "Traceback" not in script.output


async def test_its_runs_are_found_by_filter_and_facet(product: Product) -> None:
    async with User.signed_in(product.url, product.place.token()) as user:
        context = {"month": MONTH}
        started = await user.data(START, tenant=user.tenant_id, context=context)
        run = await user.watch(started["startOperation"]["run"]["id"])
        assert run["statusBucket"] == "PARTIALLY_SUCCEEDED"
        for run_type, expected in (("report.export", [MONTH]), ("inventory.sync", [])):
            tenant = (await user.data(FILTERED, tenant=user.tenant_id, type=run_type))["tenant"]
            assert [node["subject"] for node in tenant["operationRuns"]["nodes"]] == expected
            facets = tenant["operationRunFacets"]["byRunType"]
            assert {"runType": "report.export", "count": 1} in facets


async def test_only_operators_may_start_it(product: Product) -> None:
    async with User.signed_in(product.url, product.place.token(TenantRole.READONLY)) as user:
        tenant: Any = (await user.data(RUN_TYPES, tenant=user.tenant_id))["tenant"]
    [export] = [one for one in tenant["runTypes"] if one["name"] == "report.export"]
    assert export["startPermission"]["allowed"] is False
    assert export["contextSchema"]["required"] == ["month"]
    assert REASON in [reason["code"] for reason in export["failureReasons"]]


START = """
mutation($tenant: ID!, $context: JSON!) {
  startOperation(input: {tenantId: $tenant, runType: "report.export", context: $context}) {
    run { id }
  }
}
"""
FILTERED = """
query($tenant: ID!, $type: String!) {
  tenant(id: $tenant) {
    operationRuns(filter: {runTypes: [$type]}) { nodes { subject } }
    operationRunFacets { byRunType { runType count } }
  }
}
"""
RUN_TYPES = """
query($tenant: ID!) {
  tenant(id: $tenant) {
    runTypes { name contextSchema startPermission { allowed } failureReasons { code } }
  }
}
"""
