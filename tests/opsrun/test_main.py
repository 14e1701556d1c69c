"""The command line: its output, which never contains a traceback."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import asyncpg
import click
import jwt
import pytest
from click.testing import CliRunner, Result

from domain.documents.models import sha256_of
from domain.tenancy.models import user_id
from gql.federation import subgraph_sdl
from gql.schema import schema
from opsrun import __main__ as command_line
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.dev.embedded import EmbeddedServers
from opsrun.postgres.engines import Login
from opsrun.settings import PREFIX, Settings
from tests.databases import new_database, url_of
from tests.opsrun.commands import running
from tests.opsrun.conftest import Installation
from tests.world import LOCAL_KEY

REPOSITORY = Path(__file__).parents[2]
COMMANDS = sorted(n for n, command in command_line.main.commands.items() if not command.hidden)
OIDC = {
    "OIDC_ISSUER": "https://id.example.com",
    "OIDC_AUDIENCE": "opsrun",
    "OIDC_JWKS_URL": "https://id.example.com/keys",
}

Opsrun = Callable[..., Result]


@pytest.fixture
def opsrun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opsrun:
    """Run a command in this process and an empty folder, with only these settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.setattr("opsrun.commands.configure_logging", lambda *_: None)
    monkeypatch.setattr(command_line, "configure_logging", lambda *_: None)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, environment: Mapping[str, str] | None = None) -> Result:
        result = CliRunner().invoke(command_line.main, arguments, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return run


def succeeded(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def failed(result: Result, code: int = 1) -> str:
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    return result.stderr


# Help


def test_the_commands_are_those_of_the_guide() -> None:
    assert COMMANDS == [
        "api",
        "dev",
        "documents",
        "maintenance",
        "member",
        "members",
        "migrate",
        "reset-feeds",
        "schema",
        "seed",
        "tenant",
        "tenants",
        "token",
        "unpark",
        "worker",
    ]


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_command_explains_itself(opsrun: Opsrun, command: str | None) -> None:
    arguments = [command, "--help"] if command else ["--help"]
    help_text = succeeded(opsrun(*arguments))
    assert help_text.startswith("Usage: ")
    assert max(len(line) for line in help_text.splitlines()) <= 100
    for name in COMMANDS if command is None else []:
        assert f"  {name} " in help_text


def test_every_option_is_explained() -> None:
    for command in command_line.main.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help or parameter.name == "role"


@pytest.mark.parametrize("arguments", [["nonsense"], ["token"], ["migrate", "--now"], ["api", "x"]])
def test_a_wrong_call_prints_the_usage(opsrun: Opsrun, arguments: list[str]) -> None:
    assert failed(opsrun(*arguments), 2).startswith("Usage: ")


# Settings


@pytest.mark.parametrize("command", ["api", "worker", "maintenance", "migrate", "seed"])
def test_a_missing_database_is_reported_without_a_traceback(opsrun: Opsrun, command: str) -> None:
    environment = {"OPSRUN_PORT": "0", "OPSRUN_REDIS_URL": "redis://127.0.0.1:9/0"}
    message = failed(opsrun(command, environment=environment))
    assert message.startswith("Error: OPSRUN_DATABASE_URL is not set.")


@pytest.mark.parametrize("command", ["api", "worker", "maintenance"])
def test_a_missing_redis_is_reported_without_a_traceback(
    opsrun: Opsrun, installation: Installation, command: str
) -> None:
    environment = {
        **installation.environment(Login(f"opsrun_{command}"), PORT="0"),
        f"{PREFIX}REDIS_URL": "",
    }
    message = failed(opsrun(command, environment=environment))
    assert message.startswith("Error: OPSRUN_REDIS_URL is not set.")


@pytest.mark.parametrize("command", ["api", "worker", "maintenance", "migrate", "seed"])
def test_a_database_out_of_reach_is_reported_without_a_traceback(
    opsrun: Opsrun, command: str
) -> None:
    environment = {
        "OPSRUN_DATABASE_URL": "postgresql://ada:hunter2@127.0.0.1:9/ledger",
        "OPSRUN_REDIS_URL": "redis://127.0.0.1:9/0",
        "OPSRUN_PORT": "0",
    }
    message = failed(opsrun(command, environment=environment))
    assert message.startswith("Error: OPSRUN_DATABASE_URL: Cannot connect: ")
    assert "hunter2" not in message


@pytest.mark.parametrize("command", ["api", "worker", "maintenance", "seed"])
def test_a_login_with_more_rights_is_refused_without_a_traceback(
    opsrun: Opsrun, servers: EmbeddedServers, installation: Installation, command: str
) -> None:
    owner = url_of(servers.postgres_url, "processes")
    environment = {
        **installation.environment(Login.API, PORT="0"),
        f"{PREFIX}DATABASE_URL": owner,
    }
    message = failed(opsrun(command, environment=environment))
    assert "bypasses row level security" in message


@pytest.mark.parametrize("command", ["api", "worker", "maintenance"])
def test_a_database_without_row_level_security_is_refused_without_a_traceback(
    opsrun: Opsrun, servers: EmbeddedServers, installation: Installation, command: str
) -> None:
    async def alter(change: str) -> None:
        owner = url_of(servers.postgres_url, "processes")
        connection = await asyncpg.connect(owner)
        await connection.execute(f"ALTER TABLE opsrun.outbox {change} ROW LEVEL SECURITY")
        await connection.close()

    environment = installation.environment(Login(f"opsrun_{command}"), PORT="0")
    asyncio.run(alter("DISABLE"))
    try:
        message = failed(opsrun(command, environment=environment))
    finally:
        asyncio.run(alter("ENABLE"))
    assert "outbox has row level security disabled" in message


@pytest.mark.parametrize("command", ["token", "migrate", "dev", "api"])
def test_every_command_refuses_wrong_settings(opsrun: Opsrun, command: str) -> None:
    arguments = [command, "ada"] if command == "token" else [command]
    message = failed(opsrun(*arguments, environment={"OPSRUN_LEASE_SECONDS": "soon"}))
    assert message.startswith("Error: OPSRUN_LEASE_SECONDS: ")


async def test_a_process_ends_with_a_message_and_code_1(tmp_path: Path) -> None:
    environment = {"OPSRUN_DATABASE_URL": "mysql://ada:hunter2@db/ledger"}
    async with running("migrate", environment=environment, folder=tmp_path) as command:
        assert await command.ends() == 1
    [line] = command.lines
    assert line.startswith("Error: OPSRUN_DATABASE_URL: Not a PostgreSQL URL.")
    assert "hunter2" not in line


@pytest.mark.parametrize("command", ["api", "worker", "maintenance"])
async def test_production_processes_import_nothing_for_development(
    tmp_path: Path, command: str
) -> None:
    environment = {
        # No server listens there, so the process ends after its imports.
        f"{PREFIX}DATABASE_URL": "postgresql://ada@127.0.0.1:9/ledger",
        f"{PREFIX}REDIS_URL": "redis://127.0.0.1:9/0",
        f"{PREFIX}PORT": "0",
    }
    program = (sys.executable, "-X", "importtime", "-m", "opsrun")
    async with running(
        command, environment=environment, folder=tmp_path, program=program
    ) as process:
        assert await process.ends() == 1
    assert "Cannot connect" in process.lines[-1]
    imported = {line.rpartition("|")[2].strip() for line in process.lines}
    assert "opsrun.resources" in imported
    assert [name for name in imported if name.startswith("opsrun.dev")] == []


# Migrate


async def fetch(url: str, query: str, *arguments: object) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def empty_database(servers: EmbeddedServers, installation: Installation) -> str:
    """The owner's URL of an empty database."""
    await new_database(servers.postgres_url, "migrated")
    return url_of(servers.postgres_url, "migrated")


def test_migrating_again_changes_nothing(opsrun: Opsrun, empty_database: str) -> None:
    for _ in range(2):
        environment = {"OPSRUN_DATABASE_URL": empty_database}
        assert succeeded(opsrun("migrate", environment=environment)) == (
            "The database is up to date.\n"
        )


def test_a_process_on_an_empty_database_asks_for_a_migration(
    opsrun: Opsrun, servers: EmbeddedServers, installation: Installation
) -> None:
    environment = {
        **installation.environment(Login.API, PORT="0"),
        f"{PREFIX}DATABASE_URL": servers.postgres_url,
    }
    assert "Run `opsrun migrate` first" in failed(opsrun("api", environment=environment))


# Tokens


def test_a_token_is_printed_alone(opsrun: Opsrun) -> None:
    first = succeeded(opsrun("token", "ada", "--hours", "1"))
    assert first.count(".") == 2
    assert len(first.splitlines()) == 1


def test_tokens_need_a_folder_for_their_key_but_no_server(opsrun: Opsrun, tmp_path: Path) -> None:
    succeeded(opsrun("token", "ada"))
    assert [path.name for path in (tmp_path / ".opsrun").iterdir()] == ["local-token.key"]
    (tmp_path / "file").touch()
    message = failed(
        opsrun("token", "ada", environment={"OPSRUN_DATA_FOLDER": str(tmp_path / "file")})
    )
    assert "OPSRUN_DATA_FOLDER" in message


def test_no_local_token_is_printed_with_an_oidc_issuer(opsrun: Opsrun) -> None:
    environment = {PREFIX + name: value for name, value in OIDC.items()}
    assert "OPSRUN_OIDC_ISSUER" in failed(opsrun("token", "ada", environment=environment))


async def test_a_token_for_a_service_is_printed(opsrun: Opsrun) -> None:
    environment = {f"{PREFIX}LOCAL_KEY": LOCAL_KEY}
    printed = succeeded(opsrun("token", "sync", "--service", environment=environment)).strip()
    identity = await LocalTokens(LOCAL_KEY).verify(printed)
    assert identity.user_id == user_id(LOCAL_ISSUER, "sync", is_service=True)


def test_a_token_claims_memberships_where_claims_count(opsrun: Opsrun) -> None:
    arguments = ("token", "ada", "--membership", "aurora:OWNER", "--membership", "b:READONLY")
    assert "use `opsrun member`" in failed(opsrun(*arguments), 2)
    claiming = {f"{PREFIX}MEMBERSHIPS": "claim", f"{PREFIX}MEMBERSHIPS_CLAIM": "groups"}
    printed = succeeded(opsrun(*arguments, environment=claiming)).strip()
    claims = jwt.decode(printed, options={"verify_signature": False})
    assert claims["groups"] == ["aurora:OWNER", "b:READONLY"]


# Tenants and members


@pytest.fixture
def operator(installation: Installation) -> dict[str, str]:
    """The environment of an operator; no Redis is needed."""
    return {**installation.environment(Login.MAINTENANCE), f"{PREFIX}REDIS_URL": ""}


@pytest.fixture
def tenant(opsrun: Opsrun, operator: dict[str, str]) -> str:
    """The slug of a new tenant."""
    slug = f"t-{uuid4().hex}"
    assert succeeded(opsrun("tenant", slug, "--name", "Test", environment=operator)) == (
        f"Saved tenant {slug}.\n"
    )
    return slug


@pytest.fixture
async def rows(installation: Installation) -> "Rows":
    return Rows(installation.urls[Login.MAINTENANCE])


class Rows:
    """Read the rows that the commands wrote."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        import uvloop

        return uvloop.run(fetch(self._url, query, *arguments))

    def member(self, tenant: str, subject: str, issuer: str = LOCAL_ISSUER) -> object:
        """Return (role, name, e-mail) of a member, or None."""
        members = self(
            "SELECT m.role, u.name, u.email FROM opsrun.membership m"
            " JOIN opsrun.tenant t ON t.id = m.tenant_id JOIN opsrun.app_user u ON u.id = m.user_id"
            " WHERE t.slug = $1 AND u.id = $2",
            tenant,
            user_id(issuer, subject),
        )
        return members[0] if members else None


def test_a_tenant_is_added_and_changed(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, rows: Rows, tmp_path: Path
) -> None:
    query = "SELECT name, export_folder FROM opsrun.tenant WHERE slug = $1"
    assert rows(query, tenant) == [("Test", None)]
    arguments = ("tenant", tenant, "--name", "Renamed", "--export-folder", ".")
    succeeded(opsrun(*arguments, environment=operator))
    assert rows(query, tenant) == [("Renamed", str(tmp_path))]
    succeeded(opsrun("tenant", tenant, "--name", "Again", environment=operator))
    assert rows(query, tenant) == [("Again", str(tmp_path))]


GRAPH = (
    *(
        "--graph-tenant",
        "contoso.example",
        "--graph-client",
        "0f1e2d3c-app",
    ),
    *("--graph-secret", "env:GRAPH_SECRET"),
)


def test_a_tenant_has_one_provider(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, rows: Rows, tmp_path: Path
) -> None:
    query = "SELECT export_folder, graph->>'reference' FROM opsrun.tenant WHERE slug = $1"
    change = ("tenant", tenant, "--name", "Test")
    for provider, expected in (
        (GRAPH, (None, "env:GRAPH_SECRET")),
        ((), (None, "env:GRAPH_SECRET")),
        (("--export-folder", "."), (str(tmp_path), None)),
        (GRAPH, (None, "env:GRAPH_SECRET")),
    ):
        succeeded(opsrun(*change, *provider, environment=operator))
        assert rows(query, tenant) == [expected]
    [line] = [
        line
        for line in succeeded(opsrun("tenants", environment=operator)).splitlines()
        if line.startswith(tenant)
    ]
    assert line.endswith(
        "Microsoft Graph (global): tenant contoso.example, app 0f1e2d3c-app,"
        " secret in env:GRAPH_SECRET, scopes: all"
    )


SECRET = "hunter2~of~the~app"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((*GRAPH, "--export-folder", "."), "Use either --export-folder or the options of Graph."),
        (GRAPH[:4], "Microsoft Graph needs --graph-tenant, --graph-client, and one of"),
        (GRAPH[2:], "Microsoft Graph needs --graph-tenant, --graph-client, and one of"),
        ((*GRAPH, "--graph-certificate", "file:/c.pem"), "and one of --graph-secret"),
        ((*GRAPH[:4], "--graph-secret", SECRET), "It must be env:NAME or file:/PATH"),
        ((*GRAPH[:4], "--graph-certificate", "file:c.pem"), "It must be env:NAME or file:/PATH"),
        (("--graph-tenant", "a/b", *GRAPH[2:]), "It must be an id or a domain name."),
        ((*GRAPH, "--graph-cloud", "mars"), "'mars' is not one of"),
        ((*GRAPH, "--graph-scopes", "none"), "'none' is not one of"),
    ],
)
def test_options_of_graph_that_do_not_fit_change_nothing(
    opsrun: Opsrun,
    operator: dict[str, str],
    tenant: str,
    rows: Rows,
    options: tuple[str, ...],
    message: str,
) -> None:
    output = failed(opsrun("tenant", tenant, "--name", "No", *options, environment=operator), 2)
    assert message in " ".join(output.replace("│", "").split())
    assert SECRET not in output
    assert rows("SELECT name, graph FROM opsrun.tenant WHERE slug = $1", tenant) == [("Test", None)]


def test_tenants_are_listed_with_their_export_folders(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, tmp_path: Path
) -> None:
    def line() -> str:
        listed = succeeded(opsrun("tenants", environment=operator)).splitlines()
        assert listed == sorted(listed)
        [match] = [line for line in listed if line.startswith(tenant)]
        return " ".join(match.split())

    assert line() == f"{tenant} Test (no provider)"
    arguments = ("tenant", tenant, "--name", "Renamed", "--export-folder", ".")
    succeeded(opsrun(*arguments, environment=operator))
    assert line() == f"{tenant} Renamed {tmp_path}"


def test_members_are_listed_with_their_roles(
    opsrun: Opsrun, operator: dict[str, str], tenant: str
) -> None:
    assert succeeded(opsrun("members", tenant, environment=operator)) == ""
    for subject, role in (("zoe", "OWNER"), ("ada", "READONLY")):
        arguments = ("member", tenant, subject, "--role", role, "--name", subject.title())
        succeeded(opsrun(*arguments, environment=operator))
    listed = succeeded(opsrun("members", tenant, environment=operator)).splitlines()
    assert [line.split() for line in listed] == [
        ["READONLY", "user", "ada", "Ada", LOCAL_ISSUER],
        ["OWNER", "user", "zoe", "Zoe", LOCAL_ISSUER],
    ]
    claiming = opsrun("members", tenant, environment={**operator, f"{PREFIX}MEMBERSHIPS": "claim"})
    assert "stored roles have no effect" in claiming.stderr


def test_members_of_an_unknown_tenant_are_refused(opsrun: Opsrun, operator: dict[str, str]) -> None:
    message = failed(opsrun("members", "no-such", environment=operator))
    assert message.startswith("Error: Unknown tenant 'no-such'.")


def test_a_misspelled_variable_is_reported_once(
    opsrun: Opsrun, operator: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    succeeded(opsrun("tenants", environment=operator))
    assert caplog.messages == []
    succeeded(opsrun("tenants", environment={**operator, f"{PREFIX}DATABSE_URL": "postgresql://x"}))
    assert caplog.messages == [
        "OPSRUN_DATABSE_URL is not a setting of Opsrun and has no effect."
        " Did you mean OPSRUN_DATABASE_URL?"
    ]


def test_a_misspelled_file_of_the_settings_folder_is_reported_without_its_value(
    opsrun: Opsrun, operator: dict[str, str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    url = operator[f"{PREFIX}DATABASE_URL"]
    (folder / "OPSRUN_DATABASE_URL").write_text(url)
    # Others' files, as Kubernetes' and systemd's own.
    (folder / "..data").mkdir()
    (folder / "tls.key").touch()
    environment = {
        **operator,
        f"{PREFIX}DATABASE_URL": "",
        f"{PREFIX}SETTINGS_FOLDER": str(folder),
    }
    succeeded(opsrun("tenants", environment=environment))
    assert caplog.messages == []
    (folder / "OPSRUN_REDIS_ULR").write_text("redis://:hunter2@valkey:6379/0")
    result = opsrun("tenants", environment=environment)
    succeeded(result)
    assert caplog.messages == [
        "OPSRUN_REDIS_ULR is not a setting of Opsrun and has no effect."
        " Did you mean OPSRUN_REDIS_URL?"
    ]
    assert "hunter2" not in result.output


@pytest.mark.parametrize("slug", ["", "With Space", "a/b", "UPPER", "-a", "a--b", "ä"])
def test_a_tenants_slug_must_fit_into_urls(
    opsrun: Opsrun, operator: dict[str, str], slug: str
) -> None:
    message = failed(opsrun("tenant", "--name", "Test", "--", slug, environment=operator), 2)
    assert "lowercase letters, digits and hyphens" in message


def test_an_export_folder_has_to_exist(opsrun: Opsrun, operator: dict[str, str]) -> None:
    arguments = ("tenant", "absent", "--name", "Test", "--export-folder", "no-such-folder")
    assert "no-such-folder" in failed(opsrun(*arguments, environment=operator), 2)


def test_a_member_is_added_changed_and_removed(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, rows: Rows
) -> None:
    subject = uuid4().hex

    def member(*arguments: str) -> str:
        return succeeded(opsrun("member", tenant, subject, *arguments, environment=operator))

    added = member("--role", "OPERATOR", "--name", "Oscar", "--email", "o@example.com")
    assert added == f"{subject} has OPERATOR in {tenant} now.\n"
    assert rows.member(tenant, subject) == ("OPERATOR", "Oscar", "o@example.com")
    member("--role", "OWNER")
    assert rows.member(tenant, subject) == ("OWNER", "Oscar", "o@example.com")
    assert member("--remove") == f"{subject} has no role in {tenant} now.\n"
    assert rows.member(tenant, subject) is None
    again = failed(opsrun("member", tenant, subject, "--remove", environment=operator))
    assert "has no role" in again


def test_a_service_is_a_member_before_its_first_token(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, rows: Rows
) -> None:
    def member(*arguments: str) -> str:
        return succeeded(opsrun("member", tenant, "sync", *arguments, environment=operator))

    assert member("--role", "OPERATOR", "--service") == (
        f"The service sync has OPERATOR in {tenant} now.\n"
    )
    service = user_id(LOCAL_ISSUER, "sync", is_service=True)
    query = "SELECT subject, name, email FROM opsrun.app_user WHERE id = $1"
    assert rows(query, service) == [("sync", "sync", None)]
    # A person with the same subject is another member.
    assert rows.member(tenant, "sync") is None
    member("--role", "OWNER", "--name", "Ada")
    listed = succeeded(opsrun("members", tenant, environment=operator)).splitlines()
    assert sorted(line.split() for line in listed) == [
        ["OPERATOR", "service", "sync", "sync", LOCAL_ISSUER],
        ["OWNER", "user", "sync", "Ada", LOCAL_ISSUER],
    ]
    assert member("--remove", "--service") == f"The service sync has no role in {tenant} now.\n"
    assert rows.member(tenant, "sync") == ("OWNER", "Ada", None)
    again = ("member", tenant, "sync", "--remove", "--service")
    assert "The service sync" in failed(opsrun(*again, environment=operator))


def test_a_service_has_no_email_address(opsrun: Opsrun, operator: dict[str, str]) -> None:
    arguments = ("member", "any", "sync", "--role", "OWNER", "--service", "--email", "a@b.example")
    assert "no e-mail" in failed(opsrun(*arguments, environment=operator), 2)


def test_members_belong_to_the_issuer_that_is_trusted(
    opsrun: Opsrun, operator: dict[str, str], tenant: str, rows: Rows
) -> None:
    subject, issuer = uuid4().hex, OIDC["OIDC_ISSUER"]
    trusting = {**operator, f"{PREFIX}LOCAL_KEY": ""}
    trusting |= {PREFIX + name: value for name, value in OIDC.items()}
    succeeded(opsrun("member", tenant, subject, "--role", "OWNER", environment=trusting))
    assert rows.member(tenant, subject, issuer) == ("OWNER", subject, None)
    assert rows.member(tenant, subject) is None
    arguments = ("member", tenant, subject, "--role", "READONLY", "--issuer", LOCAL_ISSUER)
    succeeded(opsrun(*arguments, environment=trusting))
    assert rows.member(tenant, subject) == ("READONLY", subject, None)


def test_giving_a_role_warns_that_only_claims_count(
    opsrun: Opsrun, operator: dict[str, str], tenant: str
) -> None:
    claiming = {**operator, f"{PREFIX}MEMBERSHIPS": "claim", f"{PREFIX}MEMBERSHIPS_CLAIM": "groups"}
    arguments = ("member", tenant, uuid4().hex, "--role", "OWNER")
    assert "the claim 'groups'" in opsrun(*arguments, environment=claiming).stderr
    assert opsrun(*arguments, environment=operator).stderr == ""


@pytest.mark.parametrize("what", [("--role", "OWNER"), ("--remove",)])
def test_an_unknown_tenant_is_named(
    opsrun: Opsrun, operator: dict[str, str], what: tuple[str, ...]
) -> None:
    message = failed(opsrun("member", "no-such-tenant", "ada", *what, environment=operator))
    assert "no-such-tenant" in message
    assert "opsrun tenant" in message


@pytest.mark.parametrize("what", [(), ("--role", "OWNER", "--remove"), ("--role", "KING")])
def test_a_member_either_gets_a_role_or_is_removed(
    opsrun: Opsrun, operator: dict[str, str], what: tuple[str, ...]
) -> None:
    assert "--role" in failed(opsrun("member", "any", "ada", *what, environment=operator), 2)


# Documents of clients


def test_documents_are_registered_listed_and_removed(
    opsrun: Opsrun, operator: dict[str, str], tmp_path: Path
) -> None:
    text = f"query Own {{ viewer {{ a{uuid4().hex}: name }} }}"
    (tmp_path / "own.graphql").write_text(text)
    for new in (1, 0):
        output = succeeded(opsrun("documents", "add", "own.graphql", environment=operator))
        assert output == f"Registered {new} new documents; {1 - new} were there.\n"
    line = f"{sha256_of(text)}  Own"
    assert line in succeeded(opsrun("documents", "list", environment=operator)).splitlines()
    arguments = ("documents", "remove", sha256_of(text))
    assert "Removed" in succeeded(opsrun(*arguments, environment=operator))
    assert "No document has the hash" in failed(opsrun(*arguments, environment=operator))
    assert line not in succeeded(opsrun("documents", "list", environment=operator)).splitlines()


def test_one_invalid_document_prevents_all_registrations(
    opsrun: Opsrun, operator: dict[str, str], tmp_path: Path
) -> None:
    good = f"query Own {{ viewer {{ a{uuid4().hex}: name }} }}"
    (tmp_path / "good.graphql").write_text(good)
    (tmp_path / "bad.graphql").write_text("{ nonsense }")
    message = failed(
        opsrun("documents", "add", "good.graphql", "bad.graphql", environment=operator)
    )
    assert message.startswith("Error: Nothing was registered.\nbad.graphql: (anonymous): ")
    assert sha256_of(good) not in succeeded(opsrun("documents", "list", environment=operator))


# Demo data


def test_seeding_again_changes_nothing(
    opsrun: Opsrun, operator: dict[str, str], tmp_path: Path, rows: Rows
) -> None:
    environment = {**operator, f"{PREFIX}DATA_FOLDER": "data"}
    for _ in range(2):
        assert "data/exports" in succeeded(opsrun("seed", environment=environment))
    assert (tmp_path / "data" / "exports" / "aurora" / "workstations").is_dir()
    folders = rows("SELECT export_folder FROM opsrun.tenant WHERE slug = 'aurora'")
    assert folders == [(str(tmp_path / "data" / "exports" / "aurora"),)]
    assert rows.member("aurora", "rita") == ("READONLY", "Rita Reader", "rita@example.com")


# Schema


def test_a_schema_that_is_missing_or_old_fails_the_check(opsrun: Opsrun, tmp_path: Path) -> None:
    assert "run `opsrun schema`" in failed(opsrun("schema", "--check"))
    succeeded(opsrun("schema"))
    written = tmp_path / "schema.graphql"
    assert written.read_text() == schema.as_str() + "\n"
    succeeded(opsrun("schema", "--check"))
    written.write_text(written.read_text() + "type Old { id: ID! }\n")
    assert "run `opsrun schema`" in failed(opsrun("schema", "--check"))


def test_the_subgraph_is_printed_without_a_server(opsrun: Opsrun, tmp_path: Path) -> None:
    printed = succeeded(opsrun("schema", "--subgraph"))
    assert printed == subgraph_sdl(schema)
    assert [*tmp_path.iterdir()] == []
    assert "either --check or --subgraph" in failed(opsrun("schema", "--check", "--subgraph"), 2)


# Inherited sockets and parents


def test_a_descriptor_that_is_not_a_socket_is_refused(opsrun: Opsrun) -> None:
    assert "--fd 12345 is not a socket" in failed(opsrun("api", "--fd", "12345"))


def test_dev_does_not_start_after_its_parent_has_ended(
    opsrun: Opsrun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsrun.dev.command.ctypes.CDLL", lambda _: Mock())
    assert "4194303" in failed(opsrun("dev", "--stop-with-parent", "4194303"))
    assert [*tmp_path.iterdir()] == []


# Runs


def test_parked_runs_are_counted(opsrun: Opsrun, operator: dict[str, str]) -> None:
    assert succeeded(opsrun("unpark", environment=operator)) == "Made 0 parked runs due.\n"
