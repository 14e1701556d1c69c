"""An invalid setting is reported by name and expected format, never with its value."""

import re
from pathlib import Path

import pytest

from opsrun.settings import PREFIX, Settings, SettingsError, load_settings

SECRET = "hunter2"
LONG_ENOUGH = "k" * 32
OIDC = {
    "OIDC_ISSUER": "https://id.example.com",
    "OIDC_AUDIENCE": "opsrun",
    "OIDC_JWKS_URL": "https://id.example.com/keys",
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch) -> "ReadSettings":
    return ReadSettings(monkeypatch)


class ReadSettings:
    """Read settings from an environment with only these variables."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **variables: str) -> Settings:
        for name, value in variables.items():
            self._monkeypatch.setenv(PREFIX + name, value)
        return load_settings()

    def error(self, **variables: str) -> str:
        """Return the error message, which must not repeat a value."""
        with pytest.raises(SettingsError) as error:
            self(**variables)
        message = str(error.value)
        for value in variables.values():
            assert value not in message
        assert error.value.__cause__ is None, "a cause would be logged, with the value in it"
        return message


def test_no_setting_is_required(read_settings: ReadSettings) -> None:
    settings = read_settings()
    assert settings.host == "127.0.0.1"
    assert settings.port is None
    assert settings.data_folder == Path(".opsrun")
    assert settings.lease.total_seconds() == 30


def test_an_empty_variable_counts_as_not_set(read_settings: ReadSettings) -> None:
    assert read_settings(PORT="", DATABASE_URL="", LOCAL_KEY="").port is None


def test_a_file_is_read_for_what_the_environment_does_not_have(
    read_settings: ReadSettings, tmp_path: Path
) -> None:
    (tmp_path / "OPSRUN_DATABASE_URL").write_text("postgresql://login:päss@db/opsrun\n")
    (tmp_path / "opsrun_local_key").write_text(LONG_ENOUGH)
    (tmp_path / "OPSRUN_PORT").write_text("8001")
    settings = read_settings(SETTINGS_FOLDER=str(tmp_path), PORT="8002")
    assert settings.require_database_url() == "postgresql://login:päss@db/opsrun"
    assert settings.local_key is not None
    assert settings.local_key.get_secret_value() == LONG_ENOUGH
    assert settings.port == 8002


def test_files_may_be_links_as_in_the_secrets_of_kubernetes(
    read_settings: ReadSettings, tmp_path: Path
) -> None:
    version = tmp_path / "..2026_11_28"
    version.mkdir()
    (version / "OPSRUN_PORT").write_text("8001")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "OPSRUN_PORT").symlink_to("..data/OPSRUN_PORT")
    assert read_settings(SETTINGS_FOLDER=str(tmp_path)).port == 8001


def test_an_invalid_file_is_named_without_its_value(
    read_settings: ReadSettings, tmp_path: Path
) -> None:
    (tmp_path / "OPSRUN_LOCAL_KEY").write_text(SECRET)
    message = read_settings.error(SETTINGS_FOLDER=str(tmp_path))
    assert message.startswith("OPSRUN_LOCAL_KEY: The key is too short")
    assert SECRET not in message


def test_a_folder_of_secrets_that_cannot_be_read_stops_the_process(
    read_settings: ReadSettings, tmp_path: Path
) -> None:
    message = read_settings.error(SETTINGS_FOLDER=str(tmp_path / "absent"))
    assert message.startswith("OPSRUN_SETTINGS_FOLDER: absent: No such file or directory.")
    (tmp_path / "file").touch()
    message = read_settings.error(SETTINGS_FOLDER=str(tmp_path / "file"))
    assert message.startswith("OPSRUN_SETTINGS_FOLDER: file: Not a directory.")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty-eighty", "8000 or the next free port"),
        ("PORT", "65536", "8000 or the next free port"),
        ("PUBLIC_URL", f"ops.example/{SECRET}", "URL at which users reach the API"),
        ("OIDC_JWKS_URL", "nowhere", "URL of the issuer's public keys"),
        ("OIDC_ALGORITHMS", "RS256,HS256", "algorithms to accept, separated by commas"),
        ("OIDC_ALGORITHMS", "none", "algorithms to accept, separated by commas"),
        ("OIDC_ALGORITHMS", "RS256,,", "algorithms to accept, separated by commas"),
        ("TOKEN_LEEWAY_SECONDS", "121", "clock difference"),
        ("TOKEN_LEEWAY_SECONDS", "-1", "clock difference"),
        ("MEMBERSHIPS", "both", "Source of memberships"),
        ("LOCAL_KEY", SECRET, "at least 32 characters"),
        ("LOCAL_KEY", "k" * 31, "at least 32 characters"),
        ("REDIS_URL", f"http://:{SECRET}@cache:6379", "redis://:password@host:port/0"),
        ("REDIS_URL", f"redis://:{SECRET}@cache:port/0", "redis://:password@host:port/0"),
        ("REDIS_URL", f"redis://:{SECRET}#@cache:6379/0", "redis://:password@host:port/0"),
        ("REDIS_URL", "cache:6379", "redis://:password@host:port/0"),
        ("ALLOWED_ORIGINS", "https://a.example,hub.example", "separated by commas"),
        ("ALLOWED_ORIGINS", "https://hub.example/page", "separated by commas"),
        ("ALLOWED_ORIGINS", "https://hub.example:https", "separated by commas"),
        ("DATABASE_POOL_SIZE", "0", "connections that each process may hold"),
        ("STATEMENT_TIMEOUT_SECONDS", "-10", "Maximum duration of a SQL statement"),
        ("WORKER_CONCURRENCY", "many", "runs that a worker executes at a time"),
        ("SHUTDOWN_GRACE_SECONDS", "1.5", "after SIGTERM"),
        ("DRAIN_SECONDS", "-1", "while /readyz fails"),
        ("LEASE_SECONDS", "-2", "a worker loses its run"),
        ("RUN_TIMEOUT_SECONDS", "1h", "Maximum duration of a run"),
        ("QUEUE_TIMEOUT_SECONDS", "1d", "no worker has started"),
        ("REDISPATCH_SECONDS", "never", "dispatched again"),
        ("DEFAULT_WINDOW_DAYS", "0", "How far back lists of runs go"),
        ("LOG_LEVEL", "LOUD", "severity"),
        ("LOG_FORMAT", "yaml", "JSON"),
    ],
)
def test_an_invalid_variable_is_named_with_what_it_expects(
    read_settings: ReadSettings, name: str, value: str, expected: str
) -> None:
    message = read_settings.error(**{name: value})
    assert message.startswith(f"{PREFIX}{name}: ")
    assert expected in message
    assert SECRET not in message


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_operators_guide_names_every_setting() -> None:
    guide = Path(__file__).parents[2] / "docs" / "settings.md"
    # A row may name several settings, the later ones by suffix: `OPSRUN_OIDC_ISSUER`, `_AUDIENCE`.
    named = set(re.findall(r"`(?:OPSRUN)?_(\w+)`", guide.read_text()))
    missing = {name.upper() for name in Settings.model_fields} - named
    shared = re.compile("^(OIDC|LIMIT)_")
    assert {name for name in missing if shared.sub("", name) not in named} == set()


def test_all_invalid_variables_are_reported_at_once(read_settings: ReadSettings) -> None:
    message = read_settings.error(PORT="none", LEASE_SECONDS="zero", LOG_LEVEL="SHOUT")
    assert [line.partition(":")[0] for line in message.splitlines()] == [
        "OPSRUN_PORT",
        "OPSRUN_LEASE_SECONDS",
        "OPSRUN_LOG_LEVEL",
    ]


@pytest.mark.parametrize("missing", OIDC)
def test_an_issuer_needs_all_three_variables(read_settings: ReadSettings, missing: str) -> None:
    message = read_settings.error(
        **{name: value for name, value in OIDC.items() if name != missing}
    )
    for name in OIDC:
        assert PREFIX + name in message


def test_there_is_only_one_trusted_issuer(read_settings: ReadSettings) -> None:
    message = read_settings.error(**OIDC, LOCAL_KEY=LONG_ENOUGH)
    assert "OPSRUN_LOCAL_KEY" in message
    assert "OPSRUN_OIDC_" in message


def test_an_issuer_with_all_three_variables_is_accepted(read_settings: ReadSettings) -> None:
    assert read_settings(**OIDC).oidc_issuer == OIDC["OIDC_ISSUER"]


def test_a_subgraph_cannot_require_registered_documents(read_settings: ReadSettings) -> None:
    message = read_settings.error(FEDERATION="true", TRUSTED_DOCUMENTS="required")
    assert "OPSRUN_FEDERATION and OPSRUN_TRUSTED_DOCUMENTS exclude each other" in message
    assert read_settings(FEDERATION="true", TRUSTED_DOCUMENTS="optional").federation
    assert not read_settings(FEDERATION="false", TRUSTED_DOCUMENTS="required").federation


def test_origins_are_separated_by_commas(read_settings: ReadSettings) -> None:
    origins = read_settings(
        ALLOWED_ORIGINS="https://a.example, http://localhost:5173"
    ).allowed_origins
    assert origins == ["https://a.example", "http://localhost:5173"]
    assert read_settings(ALLOWED_ORIGINS="*").allowed_origins == ["*"]


def test_the_claim_counts_only_if_it_is_selected(read_settings: ReadSettings) -> None:
    assert read_settings(MEMBERSHIPS_CLAIM="groups").trusted_memberships_claim is None
    assert read_settings(MEMBERSHIPS="claim").trusted_memberships_claim == "groups"


@pytest.mark.parametrize(
    "url", ["redis://cache", "redis://:p%40ss@cache:6379/0", "rediss://user:pw@[::1]:6380/1"]
)
def test_a_valid_redis_url_is_unchanged(read_settings: ReadSettings, url: str) -> None:
    assert read_settings(REDIS_URL=url).require_redis_url() == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "rediss://cache/0?ssl_ca_certs=/absent.crt",
            "Cannot use ssl_ca_certs=/absent.crt: No",
        ),
        ("rediss://cache/0?ssl_certfile=/absent.crt", "Cannot use ssl_certfile=/absent.crt: No"),
        ("rediss://cache/0?ssl_keyfile=/absent.key", "ssl_keyfile needs ssl_certfile too"),
        ("rediss://cache/0?ssl_cert_reqs=sometimes", "ssl_cert_reqs must be required or none"),
        ("rediss://cache/0?ssl_check_hostname=maybe", "ssl_check_hostname must be true or false"),
        ("rediss://cache/0?ssl_ca_certs=", "Allowed options, each once and with a value: ssl_ca"),
        ("rediss://cache/0?sslrootcert=/ca.crt", "Allowed options, each once"),
        ("redis://cache/0?socket_timeout=1", "Allowed options, each once"),
        ("redis://cache/0?ssl_cert_reqs=none", "Options for TLS need rediss:// instead of"),
        ("redis://cache/runs", "The path must be the number of a database"),
    ],
)
def test_unusable_options_of_a_redis_url_are_refused(
    read_settings: ReadSettings, url: str, message: str
) -> None:
    assert read_settings.error(REDIS_URL=url).startswith(f"OPSRUN_REDIS_URL: {message}")


@pytest.mark.parametrize("made", ["", "folder/", "folder/index.html/"])
def test_a_folder_without_the_hub_is_refused(
    read_settings: ReadSettings, tmp_path: Path, made: str
) -> None:
    (tmp_path / made).mkdir(parents=True, exist_ok=True)
    message = read_settings.error(HUB_FOLDER=str(tmp_path / "folder"))
    assert message.startswith("OPSRUN_HUB_FOLDER: This folder has no index.html")


def test_the_hub_is_found_from_everywhere(
    read_settings: ReadSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").touch()
    monkeypatch.chdir(tmp_path)
    assert read_settings(HUB_FOLDER=".").hub_folder == tmp_path


def test_a_missing_url_is_reported_with_its_format(read_settings: ReadSettings) -> None:
    settings = read_settings()
    with pytest.raises(SettingsError, match=r"OPSRUN_DATABASE_URL is not set.*postgresql://"):
        settings.require_database_url()
    with pytest.raises(SettingsError, match=r"OPSRUN_REDIS_URL is not set.*redis://"):
        settings.require_redis_url()


def test_secrets_do_not_show_when_settings_are_printed(read_settings: ReadSettings) -> None:
    settings = read_settings(
        DATABASE_URL=f"postgresql://a:{SECRET}@db/opsrun",
        REDIS_URL=f"redis://:{SECRET}@cache",
        LOCAL_KEY=SECRET * 5,
    )
    assert SECRET not in repr(settings)
