"""TLS to the database, configured with libpq's options."""

import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from opsrun.postgres.engines import Login, open_engine
from opsrun.postgres.url import parse_url
from opsrun.settings import PREFIX, SettingsError
from tests.opsrun.commands import running
from tests.opsrun.conftest import Installation
from tests.tls import Authority, TlsProxy

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


def through(proxy: TlsProxy, url: str, options: str) -> str:
    """Return the URL of a database through the proxy."""
    plain = parse_url(url).set(drivername="postgresql", port=proxy.port, query={})
    return f"{plain.render_as_string(hide_password=False)}?{options}"


def proxy_to(url: str, context: ssl.SSLContext) -> TlsProxy:
    return TlsProxy(parse_url(url).port or 0, context, postgres=True)


async def refusal(url: str) -> str:
    with pytest.raises(SettingsError) as error:
        async with open_engine(url):
            pass
    return str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        *("sslmode=require", "ssl=require", "sslmode=require&ssl_min_protocol_version=TLSv1.3"),
        *("sslmode=verify-ca&sslrootcert={ca}", "sslmode=verify-full&sslrootcert={ca}"),
    ],
)
async def test_an_encrypted_connection_works(
    logins: dict[Login, str], ours: Authority, options: str
) -> None:
    url = logins[Login.API]
    async with proxy_to(url, ours.serving(HOST)) as proxy:
        far = through(proxy, url, options.format(ca=ours.certificate))
        async with open_engine(far) as engine, engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
        assert proxy.encrypted == 2  # the check for poolers, and the pool's first connection


async def test_the_authorities_of_the_system_are_trusted_by_name(
    logins: dict[Login, str], ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, options = logins[Login.API], "sslmode=verify-full&sslrootcert=system"
    async with proxy_to(url, ours.serving(HOST)) as proxy:
        assert "certificate verify failed" in await refusal(through(proxy, url, options))
        monkeypatch.setenv("SSL_CERT_FILE", str(ours.certificate))
        async with open_engine(through(proxy, url, options)):
            pass


@pytest.mark.parametrize(
    ("mode", "host", "message"),
    [
        ("verify-full", HOST, None),
        ("verify-full", "db.example", "is not valid for '127.0.0.1'"),
        ("verify-ca", "db.example", None),
    ],
)
async def test_only_verify_full_requires_the_host_in_the_certificate(
    logins: dict[Login, str], ours: Authority, mode: str, host: str, message: str | None
) -> None:
    url = logins[Login.API]
    async with proxy_to(url, ours.serving(host)) as proxy:
        far = through(proxy, url, f"sslmode={mode}&sslrootcert={ours.certificate}")
        if message is None:
            async with open_engine(far):
                return
        assert message in await refusal(far)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_of_another_authority_is_refused(
    logins: dict[Login, str], ours: Authority, theirs: Authority, mode: str
) -> None:
    url = logins[Login.API]
    async with proxy_to(url, theirs.serving(HOST)) as proxy:
        message = await refusal(
            through(proxy, url, f"sslmode={mode}&sslrootcert={ours.certificate}")
        )
        assert message.startswith("OPSRUN_DATABASE_URL: Cannot connect: ")
        assert "certificate verify failed" in message
        assert "\n" not in message


async def test_a_server_without_tls_is_refused_where_it_is_required(
    logins: dict[Login, str],
) -> None:
    assert "SSL" in await refusal(f"{logins[Login.API]}?sslmode=require")


async def test_the_client_sends_its_certificate(logins: dict[Login, str], ours: Authority) -> None:
    url = logins[Login.API]
    async with proxy_to(url, ours.serving(HOST, asks_clients=True)) as proxy:
        options = f"sslmode=verify-full&sslrootcert={ours.certificate}"
        assert "Cannot connect" in await refusal(through(proxy, url, options))
        certificate, key = ours.issue("opsrun_api")
        mine = through(proxy, url, f"{options}&sslcert={certificate}&sslkey={key}")
        async with open_engine(mine):
            pass


async def test_every_command_reaches_the_database_by_tls_or_reports_why_not(
    installation: Installation, ours: Authority, theirs: Authority
) -> None:
    url = installation.urls[Login.MAINTENANCE]
    async with proxy_to(url, ours.serving(HOST)) as proxy:
        for authority in (ours, theirs):
            far = through(proxy, url, f"sslmode=verify-full&sslrootcert={authority.certificate}")
            environment = installation.environment(Login.MAINTENANCE) | {
                f"{PREFIX}DATABASE_URL": far
            }
            async with running(
                "tenants", environment=environment, folder=installation.folder
            ) as command:
                code = await command.ends()
            if authority is ours:
                assert code == 0, command.output
            else:
                assert code == 1
                [line] = command.lines
                assert line.startswith("Error: OPSRUN_DATABASE_URL: Cannot connect: ")
        assert proxy.encrypted > 1


def missing(folder: Path, _: Authority) -> str:
    return f"sslmode=verify-full&sslrootcert={folder}/absent.crt"


def no_certificate(folder: Path, _: Authority) -> str:
    (folder / "text").write_text("none")
    return f"sslmode=verify-full&sslrootcert={folder}/text"


def absent_key(folder: Path, ours: Authority) -> str:
    certificate, _ = ours.issue("ada")
    return f"sslmode=require&sslcert={certificate}&sslkey={folder}/absent.key"


def key_of_another(_: Path, ours: Authority) -> str:
    return f"sslmode=require&sslcert={ours.issue('ada')[0]}&sslkey={ours.issue('bob')[1]}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (missing, r"Cannot use sslrootcert=\S+/absent\.crt: No such file or directory\."),
        (no_certificate, r"Cannot use sslrootcert=\S+/text: .*no certificate"),
        (absent_key, r"Cannot use sslcert=\S+ and sslkey=\S+/absent\.key: No such file"),
        (key_of_another, r"Cannot use sslcert=\S+ and sslkey=\S+: .*mismatch"),
    ],
)
def test_unusable_files_are_named(
    tmp_path: Path, ours: Authority, options: Callable[[Path, Authority], str], message: str
) -> None:
    with pytest.raises(SettingsError) as error:
        parse_url(f"postgresql://ada@db/ledger?{options(tmp_path, ours)}")
    assert re.match(f"OPSRUN_DATABASE_URL: {message}", str(error.value))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sslrootcert={ca}", "sslmode must be verify-full"),
        ("sslmode=prefer&sslrootcert={ca}", "sslmode must be verify-full"),
        ("sslmode=require&sslrootcert=system", "requires sslmode=verify-full"),
        ("sslrootcert=system", "requires sslmode=verify-full"),
        ("sslmode=require&sslmode=disable", "each once"),
        ("sslmode=require&ssl=disable", "each once"),
        ("sslmode=", "has no value"),
        ("sslmode=require&sslrootcert=", "has no value"),
    ],
)
def test_contradictory_options_are_refused(ours: Authority, options: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_url(f"postgresql://ada@db/ledger?{options.format(ca=ours.certificate)}")
