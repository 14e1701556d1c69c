"""`opsrun dev`: the first start, and every way in which it can end."""

import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest

from opsrun.dev import demo, graph_demo
from opsrun.dev.command import own_metrics_port
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import PREFIX, Settings, SettingsError
from tests.client import DRIFT, SYNC, User, open_http
from tests.databases import url_of
from tests.opsrun.checkouts import FAILS, LASTS, Checkout
from tests.opsrun.commands import Command, gone, running, until
from tests.opsrun.conftest import Installation
from tests.opsrun.dev.embedded.conftest import public_folder
from tests.opsrun.dev.embedded.observing import children, named, query
from tests.opsrun.dev.embedded.observing import until as eventually

REPOSITORY = Path(__file__).parents[3]
PROCESSES = ("api", "worker", "maintenance")
FINDINGS = """query($run: ID!) { node(id: $run) { ... on OperationRun {
  related { ... on DriftReport { added removed modified } } } } }"""
# As if the lease of 30 seconds had expired.
EXPIRE = """UPDATE opsrun.operation_run SET lease_expires_at = now() - interval '1 hour'
  WHERE status = 'running' RETURNING status"""


@dataclass(frozen=True, slots=True)
class Dev:
    """A running `opsrun dev`."""

    command: Command
    folder: Path

    @property
    def base(self) -> str:
        """The printed address."""
        match = re.search(r"GraphQL +(http://\S+)/graphql$", self.command.output, re.MULTILINE)
        assert match is not None
        return match[1]

    @property
    def links(self) -> dict[str, str]:
        """The printed addresses that sign in, by page."""
        match = re.findall(r"^  (\w+) +(\S+/#demo=\S+)$", self.command.output, re.MULTILINE)
        return dict(match)

    async def tokens(self) -> list[str]:
        """Sign in like a page at a printed address."""
        _, _, code = self.links["GraphiQL"].partition("#demo=")
        async with open_http(self.base) as http:
            headers = {"Authorization": f"Demo {code}"}
            tokens: list[str] = (await http.post("/demo/sign-in", headers=headers)).json()["tokens"]
        return tokens

    @asynccontextmanager
    async def user(self, role: str = "OPERATOR", slug: str = "aurora") -> AsyncIterator[User]:
        """Sign in as the tenant's member of this role."""
        roles = demo.OWN.roles if slug == demo.OWN.slug else demo.TENANTS[0].roles
        [subject] = [subject for subject, own in roles.items() if own == role]
        token = (await self.tokens())[[*demo.USERS].index(subject)]
        async with User.signed_in(self.base, token, slug) as user:
            yield user

    def process(self, name: str) -> Any:
        """Return the process of this name."""
        command = "dev-api" if name == "api" else name
        [process] = [one for one in children(self.command.pid) if one.cmdline()[3:4] == [command]]
        return process

    def log(self, name: str) -> Path:
        """Return the log of the process of this name."""
        return self.folder.resolve() / ".opsrun" / "logs" / f"{name}.log"

    def owner(self) -> str:
        """Return the URL of the superuser of its Postgres."""
        servers = self.folder / ".opsrun" / "servers"
        password = json.loads((servers / "opsrun-embedded.json").read_text())["postgres"]
        port = (servers / "postgres" / "postmaster.pid").read_text().splitlines()[3]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/opsrun"


@asynccontextmanager
async def dev(
    folder: Path,
    *arguments: str,
    ready: bool = True,
    programs: Path | None = None,
    **settings: str,
) -> AsyncIterator[Dev]:
    """Run it in a folder; by default wait until it is ready.

    It serves a built hub, or builds one with the programs in `programs`.
    """
    environment = {PREFIX + name: value for name, value in settings.items()}
    environment |= built_hub(folder) if programs is None else {"PATH": str(programs)}
    async with running("dev", *arguments, environment=environment, folder=folder) as command:
        if ready:
            await command.prints("Ctrl-C stops everything")
        yield Dev(command, folder)


def built_hub(folder: Path) -> dict[str, str]:
    """Create a hub in the folder; return the setting that names it."""
    (folder / "hub").mkdir(exist_ok=True)
    (folder / "hub" / "index.html").write_text("the hub")
    return {f"{PREFIX}HUB_FOLDER": str(folder / "hub")}


async def start_page(of: Dev) -> str:
    """Return the page at the hub's address."""
    async with open_http(of.links["Hub"]) as http:
        return (await http.get("")).text


def of_folder(folder: Path) -> list[Any]:
    """Return the processes in the folder or below it, or with it on their command line."""
    processes = []
    for process in psutil.process_iter():
        try:
            words = [process.cwd(), *process.cmdline()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            processes.append(process)
    return processes


@pytest.fixture(scope="module")
async def first() -> AsyncIterator[Dev]:
    """A first start in an empty folder."""
    with public_folder() as folder:
        async with dev(folder) as started:
            yield started


@pytest.fixture(scope="module")
async def second_folder() -> AsyncIterator[Path]:
    with public_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
async def checkout() -> AsyncIterator[Checkout]:
    """A checkout and its data, which stay from test to test."""
    with public_folder() as folder:
        yield Checkout.made(folder)


async def test_the_first_start_prints_short_links_that_sign_in(first: Dev) -> None:
    assert [*first.links] == ["Hub", "GraphiQL"]
    assert max(map(len, first.command.lines)) <= 80 + len(str(first.folder))
    assert len(await first.tokens()) == len(demo.USERS)
    for role in ("OWNER", "MANAGER", "OPERATOR", "READONLY"):
        async with first.user(role) as user:
            assert user.role == role


async def test_it_prints_its_progress_until_it_is_ready(first: Dev) -> None:
    steps = [line for line in first.command.lines if line.endswith(" ...")]
    assert steps == [
        "Starting Postgres and Valkey ...",
        "Preparing the database ...",
        "Starting the API, a worker and maintenance ...",
        "Writing four weeks of history for Aurora Clinics ...",
        "Writing four weeks of history for Borealis Freight ...",
    ]


async def test_the_first_start_has_runs_to_look_at(first: Dev) -> None:
    async with first.user("READONLY") as user:
        listed = await user.runs()
    assert len(listed) > 30
    assert {run["runType"] for run in listed} == {
        "inventory.sync",
        "drift.generate",
        "backup_set.add_policies",
    }
    assert {run["statusBucket"] for run in listed} >= {
        "SUCCEEDED",
        "PARTIALLY_SUCCEEDED",
        "FAILED",
    }


async def test_the_first_address_is_the_hubs(first: Dev) -> None:
    assert await start_page(first) == "the hub"


async def test_two_syncs_lead_to_drift(first: Dev) -> None:
    async with first.user() as user:
        for number in (1, 2):
            run = await user.watch(await user.start(SYNC, demo.SCOPE))
            assert run["statusBucket"] == "SUCCEEDED"
            await first.command.prints("somebody changed policies", times=number)
        drift = await user.start(DRIFT, demo.SCOPE)
        assert (await user.watch(drift))["statusBucket"] == "SUCCEEDED"
        [report] = (await user.data(FINDINGS, run=drift))["node"]["related"]
    assert report == {"added": 3, "removed": 2, "modified": 5}


async def test_the_terminal_shows_only_runs(first: Dev) -> None:
    async with first.user() as user:
        await user.watch(await user.start(SYNC, demo.BROKEN_SCOPE))
    await first.command.prints("PARTIALLY_SUCCEEDED")
    after = first.command.lines.index("  Runs appear below; Ctrl-C stops everything.")
    assert "INFO" not in first.command.output
    for line in first.command.lines[after + 2 :]:
        assert re.match(r"(\d\d:\d\d:\d\d| {8})  aurora +(inventory|drift|\(demo)", line), line
    last = await first.command.prints("PARTIALLY_SUCCEEDED")
    assert last.endswith(
        "inventory.sync            PARTIALLY_SUCCEEDED  39 of 42 succeeded, 3 failed"
    )
    for name in PROCESSES:
        assert first.log(name).exists()


async def test_a_second_instance_in_the_same_folder_is_refused(first: Dev) -> None:
    async with dev(first.folder, ready=False) as second:
        assert await second.command.ends() == 1
    assert f"in use by the process with pid {first.command.pid}" in second.command.output
    assert "Traceback" not in second.command.output


async def test_the_users_exports_become_a_tenant_and_stay_unchanged(second_folder: Path) -> None:
    own = second_folder / "my exports"
    (own / "lab").mkdir(parents=True)
    (own / "lab" / "one.json").write_text(
        '{"@odata.type": "#microsoft.graph.windows10CompliancePolicy", "id": "1",'
        ' "displayName": "One"}'
    )
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*")}
    async with dev(second_folder, "--exports", str(own)) as started:
        assert "  Scopes of Own exports: lab" in started.command.lines
        async with started.user(slug=demo.OWN.slug) as user:
            for number in (1, 2):
                run = await user.watch(await user.start(SYNC, "lab"))
                assert (run["statusBucket"], run["counts"]["total"]) == ("SUCCEEDED", 1)
                await started.command.prints("own-exports  inventory.sync", times=number)
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*")} == before
    assert "somebody changed policies" not in started.command.output


async def test_a_tenant_is_read_from_the_double_of_graph(second_folder: Path) -> None:
    async with dev(second_folder, "--graph-demo") as started:
        assert "  Cumulus Energy is read from a double of Microsoft Graph." in started.command.lines
        async with started.user(slug=graph_demo.TENANT.slug) as user:
            for number in (1, 2):
                run = await user.watch(await user.start(SYNC, "all"))
                assert run["statusBucket"] == "SUCCEEDED"
                assert run["counts"]["total"] > 50
                await started.command.prints("changed policies and groups", times=number)
            drift = await user.watch(await user.start(DRIFT, "all"))
            assert drift["counts"]["total"] > 0


async def test_the_double_of_graph_needs_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_demo, "_CHECKOUT", tmp_path)
    with pytest.raises(SettingsError, match="needs a checkout"):
        graph_demo.require_double()


async def test_exports_without_a_scope_are_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "one.json").write_text("{}")
    async with dev(tmp_path, "--exports", "own", ready=False) as refused:
        assert await refused.command.ends() == 1
    assert "own has no subfolder. Each subfolder is a scope" in refused.command.output
    assert "Starting Postgres" not in refused.command.output
    async with dev(tmp_path, "--exports", ".opsrun/exports", ready=False) as refused:
        assert await refused.command.ends() == 2
    (tmp_path / ".opsrun" / "exports").mkdir(parents=True)
    async with dev(tmp_path, "--exports", ".opsrun/exports", ready=False) as refused:
        assert await refused.command.ends() == 1
    assert "The demo writes to .opsrun/exports" in refused.command.output


async def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        async with dev(tmp_path, ready=False, PORT=str(port)) as refused:
            assert await refused.command.ends() == 1
    assert f"OPSRUN_PORT: Cannot listen on 127.0.0.1:{port}" in refused.command.output


async def test_every_process_warns_of_a_misspelled_variable(
    second_folder: Path,
) -> None:
    async with dev(second_folder, PROT="8000") as started:
        warning = "OPSRUN_PROT is not a setting of Opsrun and has no effect."
        await started.command.prints(f"{warning} Did you mean OPSRUN_PORT?")
        for name in PROCESSES:
            assert started.log(name).read_text().count(warning) == 1
        assert "OPSRUN_OIDC_ISSUER" not in started.log("api").read_text()


async def test_a_second_start_adds_no_history(second_folder: Path) -> None:
    async with dev(second_folder) as started, started.user() as user:
        before = [run["id"] for run in await user.runs()]
    async with dev(second_folder) as again, again.user() as user:
        assert [run["id"] for run in await user.runs()] == before
    assert "Writing" not in again.command.output
    assert again.links["Hub"].partition("#")[2] == started.links["Hub"].partition("#")[2]


@pytest.fixture
def port_in_use() -> Iterator[None]:
    """Keep the usual port in use, whichever port `first` got."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 8000)))
        yield


@pytest.mark.usefixtures("port_in_use")
async def test_two_instances_run_and_an_instance_ends_without_its_worker(
    first: Dev, second_folder: Path
) -> None:
    async with dev(second_folder) as second:
        assert second.base != first.base
        port = second.base.rpartition(":")[2]
        assert f"Port 8000 is in use: using port {port}." in second.command.output
        for one in (first, second):
            async with one.user("READONLY") as user:
                assert user.role == "READONLY"
        everything = children(second.command.pid)
        log = second.log("worker")
        await eventually(lambda: "Executing runs" in log.read_text())
        second.process("worker").kill()
        assert await second.command.ends() == 1
        await gone(everything)
    message = second.command.output.partition("Error: ")[2]
    assert message.startswith(f"opsrun worker was killed by signal 9. The end of its log {log}:\n")
    assert "Executing runs" in message
    assert "Traceback" not in message


async def test_killing_make_ends_everything(second_folder: Path, tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None or sys.platform != "linux":
        pytest.skip("This is for make on Linux.")
    installed = tmp_path / "installed"
    installed.touch()
    # A make that runs the tests passes its ARGS on, unless they are set here.
    places = (f"RUNTIME={installed}", f"BIN={Path(sys.executable).parent}", "ARGS=")
    async with running(
        *("--no-print-directory", "-C", str(REPOSITORY), "dev", *places),
        environment={
            "OPSRUN_DATA_FOLDER": str(second_folder / ".opsrun"),
            **built_hub(second_folder),
        },
        folder=tmp_path,
        program=(make,),
    ) as command:
        await command.prints("Ctrl-C stops everything")
        everything = children(command.pid)
        assert len(everything) > 5
        command.process.kill()
        assert await command.ends() == -signal.SIGKILL
        await gone(everything)
    assert of_folder(second_folder) == []
    assert "Stopped. All data is kept" in command.output


async def test_stopping_during_the_start_leaves_no_process(tmp_path: Path) -> None:
    with public_folder() as folder:
        async with dev(folder, ready=False) as starting:
            await starting.command.prints("Starting")
            code, seconds = await starting.command.stop(signal.SIGTERM)
            assert (code, seconds < 10) == (0, True)
        assert "Stopped. All data is kept" in starting.command.output
        assert of_folder(folder) == []


async def test_stopping_during_the_build_leaves_no_process(checkout: Checkout) -> None:
    checkout.has_npm(then=LASTS)
    async with dev(checkout.folder, programs=checkout.programs) as building:
        await building.command.prints("Building the hub")
        assert "The hub is being built" in await start_page(building)
        async with building.user() as user:
            assert len(await user.runs()) > 30
        pid = building.command.pid
        await eventually(lambda: named("sleep", children(pid)) is not None)
        everything = children(pid)
        # Like a terminal, to the whole foreground group.
        os.killpg(pid, signal.SIGINT)
        assert await building.command.ends() == 0
        await gone(everything)
    assert "Stopped. All data is kept" in building.command.output
    assert "Traceback" not in building.command.output
    assert not checkout.build.exists()
    assert of_folder(checkout.folder) == []


async def test_a_hub_that_cannot_be_built_affects_nothing_else(checkout: Checkout) -> None:
    checkout.has_npm(then=FAILS)
    async with dev(checkout.folder, programs=checkout.programs) as without:
        await without.command.prints("no such component")
        assert "src/main.tsx: no such component" in without.command.lines
        assert str(without.log("hub")) in without.command.output
        assert "The hub could not be built" in await start_page(without)
        async with without.user() as user:
            assert len(await user.runs()) > 30


async def test_a_hub_that_has_just_been_built_is_served(checkout: Checkout) -> None:
    checkout.has_npm()
    async with dev(checkout.folder, programs=checkout.programs) as built:
        await built.command.prints("The hub is built")
        assert await start_page(built) == "the hub\n"


async def test_an_unusable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".opsrun").touch()
    async with dev(tmp_path, ready=False) as refused:
        assert await refused.command.ends() == 1
    assert "OPSRUN_DATA_FOLDER" in refused.command.output
    assert "Traceback" not in refused.command.output


async def test_logins_of_a_real_installation_do_not_change(
    servers: EmbeddedServers, installation: Installation, tmp_path: Path
) -> None:
    async with dev(
        tmp_path,
        ready=False,
        DATABASE_URL=url_of(servers.postgres_url, "processes"),
        REDIS_URL=servers.redis_url,
    ) as refused:
        assert await refused.command.ends() == 1
    assert "is used by another installation" in refused.command.output
    assert await query(installation.urls[Login.API], "SELECT 1") == 1


async def test_kill_9_leaves_no_process_and_no_run_is_lost(first: Dev) -> None:
    async with first.user() as user:
        await user.watch(await user.start(SYNC, demo.SCOPE))
        async with storing_blocked(first) as in_hand:
            last = await user.start(SYNC, demo.SCOPE)
            await in_hand()
            before = await user.runs()
            everything = [psutil.Process(first.command.pid), *children(first.command.pid)]
            assert len(everything) > 5
            began = monotonic()
            first.command.process.kill()
            await gone(everything)
            assert monotonic() - began < 10
    assert of_folder(first.folder) == []

    # With a short lease runs are rescued soon after a restart.
    async with dev(first.folder, LEASE_SECONDS="3") as again:
        assert await query(again.owner(), EXPIRE) == "running"
        async with again.user() as user:
            assert (await user.watch(last))["statusBucket"] == "SUCCEEDED"
            after = await user.runs()
            assert [run["id"] for run in after] == [run["id"] for run in before]
        everything = children(again.command.pid)
        # Like a terminal, to the whole foreground group.
        began = monotonic()
        os.killpg(again.command.pid, signal.SIGINT)
        assert await again.command.ends() == 0
        await gone(everything)
        assert monotonic() - began < 5
    assert again.command.lines[-2:] == [
        "Stopping ...",
        "Stopped. All data is kept for the next start.",
    ]
    assert "Traceback" not in again.command.output
    shutdown = (first.folder / ".opsrun" / "servers" / "postgres.log").read_text()
    assert "database system is shut down" in shutdown


@asynccontextmanager
async def storing_blocked(on: Dev) -> AsyncIterator[Any]:
    """Block syncs until the context closes; yield a function that waits until one is running."""
    lock = await asyncpg.connect(on.owner())

    async def in_hand() -> None:
        waiting = (
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND usename = 'opsrun_worker'"
        )

        async def waits() -> bool:
            return bool(await query(on.owner(), waiting))

        await until(waits)

    try:
        await lock.execute("BEGIN")
        await lock.execute("LOCK TABLE opsrun.policy_document IN SHARE MODE")
        yield in_hand
    finally:
        lock.terminate()


def test_each_process_has_its_own_metrics_port() -> None:
    def ports(port: int | None) -> list[str | None]:
        settings = Settings.model_validate({"metrics_port": port})
        variables = [own_metrics_port(settings, number) for number in range(3)]
        return [each.get("OPSRUN_METRICS_PORT") for each in variables]

    assert ports(9100) == ["9100", "9101", "9102"]
    assert ports(0) == ["0", "0", "0"]
    assert ports(None) == [None, None, None]
