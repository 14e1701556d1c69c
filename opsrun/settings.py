"""All settings. A process reads and validates them once, from the environment."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gql.limits.limits import Limits
from opsrun.errors import OperatorError
from opsrun.valkey.url import require_redis_url, url_parts

PREFIX = "OPSRUN_"
_FOLDER = f"{PREFIX}SETTINGS_FOLDER"
# Only asymmetric algorithms, because the key that an issuer publishes must not be able to sign.
OidcAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
OIDC_ALGORITHMS: tuple[OidcAlgorithm, ...] = get_args(OidcAlgorithm)
LEEWAY_SECONDS = 30
_LIMITS = Limits()
# Characters. HS256 needs a key that is at least as long as its digest.
LOCAL_KEY_LENGTH = 32
_Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(OperatorError):
    """A setting is missing or invalid; the message names the variable and the expected value."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _origin(value: str) -> str:
    parts = url_parts(value, "http", "https")
    if value != "*" and (parts is None or value != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError("An origin is https://host or https://host:port, without a path")
    return value


def _built_pages(folder: Path) -> Path:
    if not os.path.isfile(folder / "index.html"):  # noqa: PTH113 - pathlib may raise
        raise ValueError("This folder has no index.html")
    # Not resolved, because `opsrun dev` changes a symbolic link after it has built the hub.
    return folder.absolute()


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < LOCAL_KEY_LENGTH:
        raise ValueError("The key is too short")
    return value


class Settings(BaseSettings):
    """Each field is a variable: `database_url` is read from OPSRUN_DATABASE_URL."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, use_attribute_docstrings=True
    )

    database_url: SecretStr | None = None
    """PostgreSQL 15 or newer: postgresql://login:password@host:port/database."""
    replica_url: SecretStr | None = None
    """Hot standby of the database that answers reads of runs while it is up to date."""
    redis_url: Annotated[SecretStr, AfterValidator(require_redis_url)] | None = None
    """Redis 7 or Valkey: redis://:password@host:port/0, or rediss://… for TLS."""
    settings_folder: Path | None = None
    """Folder of files that are named like variables and hold their values, such as secrets."""
    data_folder: Path = Path(".opsrun")
    """Folder for the embedded servers and the local signing key."""

    postgres_bin: Path | None = None
    """The executable `postgres` of the embedded server, with `initdb` beside it."""
    valkey_bin: Path | None = None
    """The executable `valkey-server` or `redis-server` of the embedded server."""

    host: str = "127.0.0.1"
    """Address on which the API listens."""
    port: _Port | None = None
    """Port on which the API listens; by default 8000 or the next free port."""
    public_url: AnyHttpUrl | None = None
    """URL at which users reach the API and the hub; notifications link to it."""
    allowed_origins: Annotated[
        list[Annotated[str, AfterValidator(_origin)]], NoDecode, BeforeValidator(_split)
    ] = []
    """Origins whose pages may call the API, separated by commas; `*` allows all."""
    hub_folder: Annotated[Path, AfterValidator(_built_pages)] | None = None
    """Folder of the built hub, with its index.html; by default this version's."""
    docs_folder: Annotated[Path, AfterValidator(_built_pages)] | None = None
    """Folder of the documentation that `make docs` built; the API serves it at /docs/."""

    oidc_issuer: str | None = None
    """Issuer (`iss`) of accepted tokens."""
    oidc_audience: str | None = None
    """Audience (`aud`) of accepted tokens."""
    oidc_jwks_url: AnyHttpUrl | None = None
    """URL of the issuer's public keys (JWKS)."""
    oidc_algorithms: Annotated[
        list[OidcAlgorithm], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = [*OIDC_ALGORITHMS]
    """Signature algorithms to accept, separated by commas; by default all that are allowed."""
    token_leeway_seconds: int = Field(LEEWAY_SECONDS, ge=0, le=120)
    """Allowed clock difference to the issuer."""
    memberships: Literal["table", "claim"] = "table"
    """Source of memberships: `table`, which `opsrun member` writes, or `claim`, in each token."""
    memberships_claim: str = Field("opsrun_memberships", min_length=1)
    """Name of that claim; used only with OPSRUN_MEMBERSHIPS=claim."""
    local_key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = None
    """Key that signs local tokens, used without an OIDC issuer; at least 32 characters."""

    database_pool_size: int = Field(10, ge=1, le=200)
    """Database connections that each process may hold."""
    statement_timeout_seconds: int = Field(10, ge=1, le=600)
    """Maximum duration of a SQL statement."""
    worker_concurrency: int = Field(8, ge=1, le=100)
    """Maximum number of runs that a worker executes at a time."""
    tenant_concurrency: int = Field(6, ge=1, le=10_000)
    """Maximum number of a tenant's runs that all workers execute at a time."""
    tenant_max_active_runs: int = Field(10_000, ge=1, le=1_000_000)
    """Maximum number of a tenant's queued and running runs."""
    file_timeout_seconds: int = Field(30, ge=1, le=600)
    """Maximum duration of a file operation in an export folder."""
    graph_url: AnyHttpUrl | None = None
    """Emulator of Microsoft Graph that replaces every cloud, for tests: https://host:port."""
    graph_authority: AnyHttpUrl | None = None
    """Where apps sign in to that emulator; by default the emulator's address."""
    graph_ca_file: Path | None = None
    """CA certificates to trust for Microsoft Graph, besides the system's."""
    shutdown_grace_seconds: int = Field(20, ge=0, le=3600)
    """Maximum time to finish work in progress after SIGTERM."""
    drain_seconds: int = Field(10, ge=0, le=3600)
    """Time for which an API still serves after SIGTERM while /readyz fails.

    In the second half, it closes WebSockets and event streams one by one.
    """
    lease_seconds: int = Field(30, ge=3, le=3600)
    """Time without a heartbeat after which a worker loses its run."""
    run_timeout_seconds: int = Field(3600, ge=1, le=7 * 86400)
    """Maximum duration of a run's execution."""
    queue_timeout_seconds: int = Field(86400, ge=1, le=30 * 86400)
    """Time after which a run that no worker has started is aborted."""
    redispatch_seconds: int = Field(15, ge=1, le=3600)
    """Time after which an outbox entry is dispatched again."""
    default_window_days: int = Field(30, ge=1, le=3650)
    """How far back lists of runs go by default."""

    limit_tokens: int = Field(_LIMITS.tokens, ge=100, le=100_000)
    """Maximum tokens of a GraphQL document."""
    limit_depth: int = Field(_LIMITS.depth, ge=1, le=100)
    """Maximum nesting of an operation's fields."""
    limit_fields: int = Field(_LIMITS.fields, ge=1, le=100_000)
    """Maximum selections of an operation, after fragments are expanded."""
    limit_aliases: int = Field(_LIMITS.aliases, ge=0, le=100_000)
    """Maximum aliases of an operation."""
    limit_directives: int = Field(_LIMITS.directives, ge=0, le=100_000)
    """Maximum directives of an operation."""
    limit_duplicates: int = Field(_LIMITS.duplicates, ge=0, le=100_000)
    """Maximum selections of an operation that repeat a sibling."""
    limit_cost: int = Field(_LIMITS.cost, ge=10)
    """Maximum cost of an operation."""
    cost_per_minute: int = Field(100_000, ge=10)
    """Budget: the cost that a user may spend in a minute, over all API processes."""
    operations_per_websocket: int = Field(100, ge=1, le=10_000)
    """Maximum operations at a time on a WebSocket."""
    connections_per_user: int = Field(100, ge=1)
    """Maximum WebSockets and event streams of a user, per API process."""
    connections_per_tenant: int = Field(2000, ge=1)
    """Maximum WebSockets and event streams that read a tenant, per API process."""
    introspection: bool = _LIMITS.introspection
    """Whether clients may query the schema."""
    suggestions: bool = _LIMITS.suggestions
    """Whether error messages suggest names of the schema."""
    federation: bool = False
    """Whether the API is a subgraph, for a router of Apollo Federation 2."""
    trusted_documents: Literal["optional", "required"] = "optional"
    """`required` refuses documents that were not registered with `opsrun documents`."""

    metrics_port: _Port | None = None
    """Port on which each process serves metrics and health; 0 chooses a free one."""
    metrics_host: str | None = None
    """Address for metrics and health; by default OPSRUN_HOST."""
    otlp_endpoint: AnyHttpUrl | None = None
    """Trace collector (OTLP over HTTP), such as http://collector:4318."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest severity to log."""
    log_format: Literal["text", "json"] = "text"
    """`text` for people, `json` for one JSON object per line."""

    @model_validator(mode="after")
    def _require_one_issuer(self) -> "Settings":
        oidc = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(oidc) and not all(oidc):
            raise ValueError(
                "OPSRUN_OIDC_ISSUER, OPSRUN_OIDC_AUDIENCE and OPSRUN_OIDC_JWKS_URL must"
                " be set together"
            )
        if all(oidc) and self.local_key is not None:
            raise ValueError("Set OPSRUN_LOCAL_KEY or the OPSRUN_OIDC_… settings, not both")
        return self

    @model_validator(mode="after")
    def _require_a_routers_documents(self) -> "Settings":
        if self.federation and self.trusted_documents == "required":
            raise ValueError(
                "OPSRUN_FEDERATION and OPSRUN_TRUSTED_DOCUMENTS exclude each other, because a"
                " router writes its documents itself. Register the clients' documents with the"
                " router"
            )
        return self

    @property
    def token_leeway(self) -> timedelta:
        """The allowed clock difference to the issuer."""
        return timedelta(seconds=self.token_leeway_seconds)

    @property
    def trusted_memberships_claim(self) -> str | None:
        """The claim that holds memberships; None if the table does."""
        return self.memberships_claim if self.memberships == "claim" else None

    @property
    def lease(self) -> timedelta:
        """How long a worker keeps its run without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)

    def require_database_url(self) -> str:
        """Return the database's URL; raise SettingsError if it is not set."""
        return _required(self.database_url, "database_url")

    def require_redis_url(self) -> str:
        """Return the URL of Redis; raise SettingsError if it is not set."""
        return _required(self.redis_url, "redis_url")


def _required(value: SecretStr | None, name: str) -> str:
    if value is None:
        raise SettingsError(
            f"{PREFIX}{name.upper()} is not set. {_description(name)}"
            " `opsrun dev` does not need it: it starts its own servers."
        )
    return value.get_secret_value()


def load_settings() -> Settings:
    """Read the environment, and the files in OPSRUN_SETTINGS_FOLDER for what is not set there.

    Raises:
        SettingsError: names each invalid variable, but never repeats a value.
    """
    folder = os.environ.get(_FOLDER) or None
    try:
        if folder is not None:
            os.listdir(folder)  # noqa: PTH208 - fails here if the folder cannot be read
        return Settings(_secrets_dir=folder)
    except OSError as error:
        reason = f"{Path(error.filename).name}: {error.strerror}"
        raise SettingsError(
            f"{_FOLDER}: {reason}. Expected: {_description('settings_folder')}"
        ) from None
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        raise SettingsError("\n".join(map(_message, errors))) from None


def _message(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return f"{message}."
    name = str(error["loc"][0])
    return f"{PREFIX}{name.upper()}: {message}. Expected: {_description(name)}"


def _description(name: str) -> str:
    return " ".join((Settings.model_fields[name].description or "").split())
