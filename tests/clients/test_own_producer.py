"""`client-examples/own-producer`: installed with pip beside the wheel, and run by the product."""

import asyncio
import json
import os
import re
import shutil
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

import pytest

from domain.tenancy.administration import save_member
from domain.tenancy.models import User
from domain.tenancy.roles import TenantRole
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.postgres.engines import Login
from tests.client import User as Member
from tests.clients.conftest import Product
from tests.installing import call, copied
from tests.nodejs import needs_node
from tests.opsrun.commands import Command, running
from tests.opsrun.conftest import Installation
from tests.wheel import Environment, made_environment
from tests.world import LOCAL_KEY, World

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
    usage = usage_of(place, installation)
    for department, line in (("finance", "Mail,12"), ("sales", "Mail,many"), ("legal", None)):
        (usage / department).mkdir(parents=True)
        if line is not None:
            (usage / department / f"{MONTH}.csv").write_text(f"product,hours\n{line}\n")
    return Product(served, place)


def usage_of(place: World, installation: Installation) -> Path:
    """Return the folder that the example reads for the tenant."""
    return installation.folder / "usage" / str(place.tenant_id)


OUTCOMES = [
    f"sales: Line 2 of {MONTH}.csv is not a product and its hours. Correct the line in the"
    f" department's file, then start the export again. ({REASON})",
    f"legal: Nothing was used in {MONTH}.",
]


def links(product: Product) -> list[str]:
    return [f"Reports: https://reports.example/{product.place.tenant_id}/{MONTH}/"]


class Script(Protocol):
    """Runs a start script with only these settings."""

    def __call__(
        self, *arguments: str, environment: Mapping[str, str]
    ) -> AbstractAsyncContextManager[Command]: ...


@pytest.fixture(scope="module")
def python_script(example: Example) -> Script:
    """The script `start.py`."""
    python = str(example.environment.folder / "bin" / "python")
    return partial(running, folder=example.folder, program=(python, "start.py"))


@pytest.fixture(scope="module")
def typescript_script(
    example: Example, typescript_client: Path, tmp_path_factory: pytest.TempPathFactory
) -> Script:
    """The script `start.ts`; only its compiler comes from another example."""
    folder = tmp_path_factory.mktemp("start")
    (folder / "node_modules").symlink_to(typescript_client / "node_modules")
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(typescript_client / name, folder)
    (folder / "src").mkdir()
    shutil.copy(example.folder / "start.ts", folder / "src")
    call(folder, "node", "node_modules/typescript/bin/tsc")
    return partial(running, folder=folder, program=("node", "build/start.js"))


def test_its_tests_pass_in_its_environment(example: Example) -> None:
    code, output, errors = example.environment.python(example.folder, "-m", "pytest", "-q")
    assert code == 0, output + errors
    assert re.search(r"\b\d+ passed in", output)


def test_it_is_strictly_typed(example: Example) -> None:
    code, output, _ = example.environment.python(example.folder, "-m", "mypy")
    assert code == 0, output


LANGUAGES = pytest.mark.parametrize(
    "language", ["python", pytest.param("typescript", marks=needs_node)]
)


@LANGUAGES
async def test_a_script_starts_it_and_watches_it_live(
    request: pytest.FixtureRequest, product: Product, installation: Installation, language: str
) -> None:
    script: Script = request.getfixturevalue(f"{language}_script")
    # Reading the usage waits until something is written to this file.
    usage = product.place.exports / "usage"
    os.mkfifo(usage)
    slow = usage_of(product.place, installation) / "finance" / f"{MONTH}.csv"
    slow.unlink()
    slow.symlink_to(usage)
    async with script(MONTH, environment=product.environment()) as command:
        await command.prints("RUNNING 0/3")
        await asyncio.to_thread(usage.write_text, "product,hours\nMail,12\n")
        assert await command.ends() == 1, command.output
    assert command.lines[-4:] == ["PARTIALLY_SUCCEEDED 3/3", *OUTCOMES, *links(product)]
    report = installation.folder / "reports" / str(product.place.tenant_id) / MONTH / "finance.html"
    assert "<td>Mail<td>12" in report.read_text()


@contextmanager
def token_endpoint(token: str) -> Iterator[dict[str, str]]:
    """Give the token to a client with a secret; yield the variables of that client."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            client = b64encode(b"nightly:s3cret").decode()
            good = self.headers["Authorization"] == f"Basic {client}"
            good = good and parse_qs(form) == {
                "grant_type": ["client_credentials"],
                "audience": ["opsrun"],
            }
            self.send_response(200 if good else 401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": token} if good else {}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {
                "OPSRUN_TOKEN_URL": f"http://127.0.0.1:{server.server_port}/token",
                "OPSRUN_CLIENT_ID": "nightly",
                "OPSRUN_CLIENT_SECRET": "s3cret",
                "OPSRUN_AUDIENCE": "opsrun",
            }
        finally:
            server.shutdown()


@LANGUAGES
async def test_a_service_starts_it_with_client_credentials(
    request: pytest.FixtureRequest, product: Product, language: str
) -> None:
    place = product.place
    service = User(LOCAL_ISSUER, "nightly", "Nightly export", is_service=True)
    transactions = place.resources[Login.MAINTENANCE].transactions
    await save_member(transactions, place.slug, service, TenantRole.OPERATOR)
    token = LocalTokens(LOCAL_KEY).mint(
        service.subject, name=service.name, lifetime=timedelta(hours=1), is_service=True
    )
    script: Script = request.getfixturevalue(f"{language}_script")
    with token_endpoint(token) as client:
        environment = {**product.environment(), **client}
        del environment["OPSRUN_TOKEN"]
        async with script(MONTH, environment=environment) as command:
            assert await command.ends() == 1, command.output
        refused = environment | {"OPSRUN_CLIENT_SECRET": "wrong"}
        async with script(MONTH, environment=refused) as command:
            assert await command.ends() == 2, command.output
    assert "gives no token" in command.output
    async with Member.signed_in(product.url, place.token()) as member:
        tenant = (await member.data(INITIATORS, tenant=member.tenant_id))["tenant"]
    [run] = tenant["operationRuns"]["nodes"]
    assert run["initiator"] == {"kind": "SERVICE", "name": "Nightly export"}


@LANGUAGES
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("2026-13",), "input.context.month: "), ((MONTH, "../b"), "input.context.departments.0: ")],
)
async def test_a_script_shows_what_to_correct(
    request: pytest.FixtureRequest,
    product: Product,
    language: str,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    script: Script = request.getfixturevalue(f"{language}_script")
    async with script(*arguments, environment=product.environment()) as command:
        assert await command.ends() == 2, command.output
    assert command.output.startswith(message)


async def test_its_runs_are_found_by_filter_and_facet(product: Product) -> None:
    async with Member.signed_in(product.url, product.place.token()) as member:
        context = {"month": MONTH}
        started = await member.data(START, tenant=member.tenant_id, context=context)
        run = await member.watch(started["startOperation"]["run"]["id"])
        assert run["statusBucket"] == "PARTIALLY_SUCCEEDED"
        for run_type, expected in (("report.export", [MONTH]), ("inventory.sync", [])):
            tenant = (await member.data(FILTERED, tenant=member.tenant_id, type=run_type))["tenant"]
            assert [node["subject"] for node in tenant["operationRuns"]["nodes"]] == expected
            facets = tenant["operationRunFacets"]["byRunType"]
            assert {"runType": "report.export", "count": 1} in facets


async def test_only_operators_may_start_it(product: Product) -> None:
    async with Member.signed_in(product.url, product.place.token(TenantRole.READONLY)) as member:
        tenant: Any = (await member.data(RUN_TYPES, tenant=member.tenant_id))["tenant"]
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
INITIATORS = """
query($tenant: ID!) {
  tenant(id: $tenant) { operationRuns { nodes { initiator { kind name } } } }
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
