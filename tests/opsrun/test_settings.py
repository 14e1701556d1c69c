"""A wrong setting is told by its name, with what it takes, and never with its value."""

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
def given(monkeypatch: pytest.MonkeyPatch) -> "Given":
    return Given(monkeypatch)


class Given:
    """Reads settings from an environment that has just these variables."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **variables: str) -> Settings:
        for name, value in variables.items():
            self._monkeypatch.setenv(PREFIX + name, value)
        return load_settings()

    def refused(self, **variables: str) -> str:
        """Return the message, which repeats no value."""
        with pytest.raises(SettingsError) as refused:
            self(**variables)
        message = str(refused.value)
        for value in variables.values():
            assert value not in message
        assert refused.value.__cause__ is None, "a cause would be logged, with the value in it"
        return message


def test_nothing_has_to_be_set(given: Given) -> None:
    settings = given()
    assert settings.host == "127.0.0.1"
    assert settings.port is None
    assert settings.data_folder == Path(".opsrun")
    assert settings.lease.total_seconds() == 30


def test_an_empty_variable_counts_as_not_set(given: Given) -> None:
    assert given(PORT="", DATABASE_URL="", LOCAL_KEY="").port is None


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("PORT", "eighty-eighty", "8000 or a free one"),
        ("PORT", "65536", "8000 or a free one"),
        ("PUBLIC_URL", f"ops.example/{SECRET}", "How people reach the API"),
        ("OIDC_JWKS_URL", "nowhere", "Where the issuer's keys are"),
        ("OIDC_ALGORITHMS", "RS256,HS256", "of RS256, RS384"),
        ("OIDC_ALGORITHMS", "none", "of RS256, RS384"),
        ("OIDC_ALGORITHMS", "RS256,,", "of RS256, RS384"),
        ("TOKEN_LEEWAY_SECONDS", "121", "clock may be off"),
        ("TOKEN_LEEWAY_SECONDS", "-1", "clock may be off"),
        ("MEMBERSHIPS", "both", "Who holds the roles"),
        ("LOCAL_KEY", SECRET, "at least 32 characters"),
        ("LOCAL_KEY", "k" * 31, "at least 32 characters"),
        ("REDIS_URL", f"http://:{SECRET}@cache:6379", "redis://:password@host:port/0"),
        ("REDIS_URL", f"redis://:{SECRET}@cache:port/0", "redis://:password@host:port/0"),
        ("REDIS_URL", f"redis://:{SECRET}#@cache:6379/0", "redis://:password@host:port/0"),
        ("REDIS_URL", "cache:6379", "redis://:password@host:port/0"),
        ("ALLOWED_ORIGINS", "https://a.example,hub.example", "separated by commas"),
        ("ALLOWED_ORIGINS", "https://hub.example/page", "separated by commas"),
        ("ALLOWED_ORIGINS", "https://hub.example:https", "separated by commas"),
        ("DATABASE_POOL_SIZE", "0", "Connections per process"),
        ("STATEMENT_TIMEOUT_SECONDS", "-10", "longest a statement may take"),
        ("WORKER_CONCURRENCY", "many", "Runs at a time"),
        ("SHUTDOWN_GRACE_SECONDS", "1.5", "How long SIGTERM waits"),
        ("DRAIN_SECONDS", "-1", "no longer being ready"),
        ("LEASE_SECONDS", "-2", "Silence that costs a worker its run"),
        ("RUN_TIMEOUT_SECONDS", "1h", "longest a run may take"),
        ("QUEUE_TIMEOUT_SECONDS", "1d", "nobody took"),
        ("REDISPATCH_SECONDS", "never", "sent again"),
        ("DEFAULT_WINDOW_DAYS", "0", "How far back"),
        ("LOG_LEVEL", "LOUD", "severity"),
        ("LOG_FORMAT", "yaml", "JSON"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_takes(
    given: Given, name: str, value: str, takes: str
) -> None:
    message = given.refused(**{name: value})
    assert message.startswith(f"{PREFIX}{name}: ")
    assert takes in message
    assert SECRET not in message


def test_every_setting_says_what_it_takes() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_operators_guide_names_every_setting() -> None:
    guide = Path(__file__).parents[2] / "docs" / "operations.md"
    # A row may name several, the later ones by their ends: `OPSRUN_OIDC_ISSUER`, `_AUDIENCE`.
    named = set(re.findall(r"`(?:OPSRUN)?_(\w+)`", guide.read_text()))
    missing = {name.upper() for name in Settings.model_fields} - named
    shared = re.compile("^(OIDC|LIMIT)_")
    assert {name for name in missing if shared.sub("", name) not in named} == set()


def test_all_wrong_variables_are_told_at_once(given: Given) -> None:
    message = given.refused(PORT="none", LEASE_SECONDS="zero", LOG_LEVEL="SHOUT")
    assert [line.partition(":")[0] for line in message.splitlines()] == [
        "OPSRUN_PORT",
        "OPSRUN_LEASE_SECONDS",
        "OPSRUN_LOG_LEVEL",
    ]


@pytest.mark.parametrize("missing", OIDC)
def test_an_issuer_is_set_as_a_whole_or_not_at_all(given: Given, missing: str) -> None:
    message = given.refused(**{name: value for name, value in OIDC.items() if name != missing})
    for name in OIDC:
        assert PREFIX + name in message


def test_tokens_are_trusted_from_one_side_only(given: Given) -> None:
    message = given.refused(**OIDC, LOCAL_KEY=LONG_ENOUGH)
    assert "OPSRUN_LOCAL_KEY" in message
    assert "OPSRUN_OIDC_" in message


def test_a_whole_issuer_is_accepted(given: Given) -> None:
    assert given(**OIDC).oidc_issuer == OIDC["OIDC_ISSUER"]


def test_origins_are_separated_by_commas(given: Given) -> None:
    origins = given(ALLOWED_ORIGINS="https://a.example, http://localhost:5173").allowed_origins
    assert origins == ["https://a.example", "http://localhost:5173"]
    assert given(ALLOWED_ORIGINS="*").allowed_origins == ["*"]


def test_the_claim_counts_only_where_it_is_chosen(given: Given) -> None:
    assert given(MEMBERSHIPS_CLAIM="groups").trusted_memberships_claim is None
    assert given(MEMBERSHIPS="claim").trusted_memberships_claim == "groups"


@pytest.mark.parametrize(
    "url", ["redis://cache", "redis://:p%40ss@cache:6379/0", "rediss://user:pw@[::1]:6380/1"]
)
def test_a_redis_url_is_taken_as_it_is(given: Given, url: str) -> None:
    assert given(REDIS_URL=url).require_redis_url() == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "rediss://cache/0?ssl_ca_certs=/absent.crt",
            "Cannot use ssl_ca_certs=/absent.crt: No",
        ),
        ("rediss://cache/0?ssl_certfile=/absent.crt", "Cannot use ssl_certfile=/absent.crt: No"),
        ("rediss://cache/0?ssl_keyfile=/absent.key", "ssl_keyfile needs ssl_certfile too"),
        ("rediss://cache/0?ssl_cert_reqs=sometimes", "ssl_cert_reqs takes required or none"),
        ("rediss://cache/0?ssl_check_hostname=maybe", "ssl_check_hostname takes true or false"),
        ("rediss://cache/0?ssl_ca_certs=", "After the `?` it takes each of these once: ssl_ca"),
        ("rediss://cache/0?sslrootcert=/ca.crt", "After the `?` it takes each of these once"),
        ("redis://cache/0?socket_timeout=1", "After the `?` it takes each of these once"),
        ("redis://cache/0?ssl_cert_reqs=none", "Options for TLS need rediss:// in place of"),
        ("redis://cache/runs", "The path is the number of a database"),
    ],
)
def test_options_of_the_redis_url_that_cannot_be_used_are_refused(
    given: Given, url: str, says: str
) -> None:
    assert given.refused(REDIS_URL=url).startswith(f"OPSRUN_REDIS_URL: {says}")


@pytest.mark.parametrize("made", ["", "folder/", "folder/index.html/"])
def test_a_folder_without_the_hub_is_refused(given: Given, tmp_path: Path, made: str) -> None:
    (tmp_path / made).mkdir(parents=True, exist_ok=True)
    message = given.refused(HUB_FOLDER=str(tmp_path / "folder"))
    assert message.startswith("OPSRUN_HUB_FOLDER: There is no index.html in this folder")


def test_the_hub_is_found_from_everywhere(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").touch()
    monkeypatch.chdir(tmp_path)
    assert given(HUB_FOLDER=".").hub_folder == tmp_path


def test_a_missing_url_is_named_with_its_form(given: Given) -> None:
    settings = given()
    with pytest.raises(SettingsError, match=r"OPSRUN_DATABASE_URL is not set.*postgresql://"):
        settings.require_database_url()
    with pytest.raises(SettingsError, match=r"OPSRUN_REDIS_URL is not set.*redis://"):
        settings.require_redis_url()


def test_secrets_do_not_show_when_settings_are_printed(given: Given) -> None:
    settings = given(
        DATABASE_URL=f"postgresql://a:{SECRET}@db/opsrun",
        REDIS_URL=f"redis://:{SECRET}@cache",
        LOCAL_KEY=SECRET * 5,
    )
    assert SECRET not in repr(settings)
