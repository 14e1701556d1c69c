"""All settings, read once from the environment and validated before anything starts."""

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
from opsrun.valkey.url import require_redis_url, url_parts

PREFIX = "OPSRUN_"
# A symmetric one would make a secret of what the issuer publishes, and `none` needs no key.
OidcAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
OIDC_ALGORITHMS: tuple[OidcAlgorithm, ...] = get_args(OidcAlgorithm)
LEEWAY_SECONDS = 30
_LIMITS = Limits()
# Characters; HS256 wants a key of at least as many bytes as its digest has.
LOCAL_KEY_LENGTH = 32


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what it takes."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _origin(value: str) -> str:
    parts = url_parts(value, "http", "https")
    if value != "*" and (parts is None or value != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError("An origin reads https://host or https://host:port, and ends there")
    return value


def _built_hub(folder: Path) -> Path:
    if not os.path.isfile(folder / "index.html"):  # noqa: PTH113 - this one never raises
        raise ValueError("There is no index.html in this folder")
    # A link stays one: `opsrun dev` lets it lead to the hub once that is built.
    return folder.absolute()


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < LOCAL_KEY_LENGTH:
        raise ValueError("The key is too short")
    return value


class Settings(BaseSettings):
    """One field is one variable: `database_url` is read from OPSRUN_DATABASE_URL."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True)

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or newer: postgresql://login:password@host:port/database"
    )
    redis_url: Annotated[SecretStr, AfterValidator(require_redis_url)] | None = Field(
        None, description="Redis 7 or Valkey: redis://:password@host:port/0, with TLS rediss://…"
    )
    data_folder: Path = Field(
        Path(".opsrun"), description="Where the embedded servers and the local key are kept"
    )

    host: str = Field("127.0.0.1", description="The address the API listens on")
    port: int | None = Field(None, ge=0, le=65535, description="The API's port; 8000 or a free one")
    public_url: AnyHttpUrl | None = Field(
        None, description="How people reach the API and the hub; for links in notifications"
    )
    allowed_origins: Annotated[
        list[Annotated[str, AfterValidator(_origin)]], NoDecode, BeforeValidator(_split)
    ] = Field(
        [], description="Origins of pages that may use the API, separated by commas; `*` for all"
    )
    hub_folder: Annotated[Path, AfterValidator(_built_hub)] | None = Field(
        None, description="The built hub, a folder with index.html; the checkout's if not set"
    )

    oidc_issuer: str | None = Field(None, description="The issuer that tokens must name")
    oidc_audience: str | None = Field(None, description="The audience that tokens must name")
    oidc_jwks_url: AnyHttpUrl | None = Field(None, description="Where the issuer's keys are")
    oidc_algorithms: Annotated[
        list[OidcAlgorithm], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = Field(
        [*OIDC_ALGORITHMS],
        description="How the issuer may sign, separated by commas, of "
        + ", ".join(OIDC_ALGORITHMS),
    )
    token_leeway_seconds: int = Field(
        LEEWAY_SECONDS, ge=0, le=120, description="How far an issuer's clock may be off"
    )
    memberships: Literal["table", "claim"] = Field(
        "table", description="Who holds the roles: what `opsrun member` wrote, or a claim of tokens"
    )
    memberships_claim: str = Field(
        "opsrun_memberships", min_length=1, description="The claim's name, with `claim`"
    )
    local_key: Annotated[SecretStr, AfterValidator(_long_enough)] | None = Field(
        None,
        description="Signs local tokens where there is no OIDC issuer;"
        f" at least {LOCAL_KEY_LENGTH} characters",
    )

    database_pool_size: int = Field(10, ge=1, le=200, description="Connections per process")
    statement_timeout_seconds: int = Field(
        10, ge=1, le=600, description="The longest a statement may take"
    )
    worker_concurrency: int = Field(8, ge=1, le=100, description="Runs at a time per worker")
    tenant_concurrency: int = Field(
        6, ge=1, le=10_000, description="Runs of one tenant that workers may have at a time"
    )
    tenant_max_active_runs: int = Field(
        10_000, ge=1, le=1_000_000, description="Queued and running runs that a tenant may have"
    )
    file_timeout_seconds: int = Field(
        30, ge=1, le=600, description="How long an export folder may take to answer"
    )
    shutdown_grace_seconds: int = Field(
        20, ge=0, le=3600, description="How long SIGTERM waits for work in hand"
    )
    drain_seconds: int = Field(
        10,
        ge=0,
        le=3600,
        description="How long a stopping API still serves, no longer being ready:"
        " for the second half it closes sockets and streams one by one",
    )
    lease_seconds: int = Field(30, ge=3, le=3600, description="Silence that costs a worker its run")
    run_timeout_seconds: int = Field(
        3600, ge=1, le=7 * 86400, description="The longest a run may take"
    )
    queue_timeout_seconds: int = Field(
        86400, ge=1, le=30 * 86400, description="After which a run that nobody took is aborted"
    )
    redispatch_seconds: int = Field(
        15, ge=1, le=3600, description="After which a lost message is sent again"
    )
    default_window_days: int = Field(30, ge=1, le=3650, description="How far back lists look")

    limit_tokens: int = Field(
        _LIMITS.tokens, ge=100, le=100_000, description="Tokens that a GraphQL document may have"
    )
    limit_depth: int = Field(
        _LIMITS.depth, ge=1, le=100, description="Levels of fields inside fields"
    )
    limit_fields: int = Field(
        _LIMITS.fields,
        ge=1,
        le=100_000,
        description="Selections of an operation, fragments written out",
    )
    limit_aliases: int = Field(
        _LIMITS.aliases, ge=0, le=100_000, description="Aliases of an operation"
    )
    limit_directives: int = Field(
        _LIMITS.directives, ge=0, le=100_000, description="Directives of an operation"
    )
    limit_duplicates: int = Field(
        _LIMITS.duplicates,
        ge=0,
        le=100_000,
        description="Selections of an operation that repeat one beside them",
    )
    limit_cost: int = Field(_LIMITS.cost, ge=10, description="Points that an operation may cost")
    cost_per_minute: int = Field(
        100_000, ge=10, description="Points that a user may spend in a minute, at all APIs together"
    )
    operations_per_socket: int = Field(
        100, ge=1, le=10_000, description="Operations that may run at a time on a socket"
    )
    connections_per_user: int = Field(
        100, ge=1, description="Sockets and event streams of a user that an API may have open"
    )
    connections_per_tenant: int = Field(
        2000, ge=1, description="Sockets and event streams reading a tenant that an API may have"
    )
    introspection: bool = Field(
        _LIMITS.introspection, description="Whether clients may ask for the schema"
    )
    suggestions: bool = Field(
        _LIMITS.suggestions, description="Whether errors suggest names of the schema"
    )
    trusted_documents: Literal["optional", "required"] = Field(
        "optional", description="Whether documents that nobody registered are run as well"
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Where each process shows metrics and health; 0 takes a free port",
    )
    metrics_host: str | None = Field(
        None, description="The address for that; OPSRUN_HOST if not set"
    )
    otlp_endpoint: AnyHttpUrl | None = Field(
        None, description="The collector of traces (OTLP/HTTP), as http://collector:4318"
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severity that is logged"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="For people, or one JSON object per line"
    )

    @model_validator(mode="after")
    def _one_way_to_trust(self) -> "Settings":
        oidc = (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)
        if any(oidc) and not all(oidc):
            raise ValueError(
                "OPSRUN_OIDC_ISSUER, OPSRUN_OIDC_AUDIENCE and OPSRUN_OIDC_JWKS_URL belong"
                " together: set all three or none"
            )
        if all(oidc) and self.local_key is not None:
            raise ValueError("Set either OPSRUN_LOCAL_KEY or the OPSRUN_OIDC_… settings, not both")
        return self

    @property
    def token_leeway(self) -> timedelta:
        """How far an issuer's clock may be off."""
        return timedelta(seconds=self.token_leeway_seconds)

    @property
    def trusted_memberships_claim(self) -> str | None:
        """The claim that holds the roles; None where the table of memberships does."""
        return self.memberships_claim if self.memberships == "claim" else None

    @property
    def lease(self) -> timedelta:
        """How long a worker may be silent."""
        return timedelta(seconds=self.lease_seconds)

    def require_database_url(self) -> str:
        """Return the database's URL; SettingsError when there is none."""
        return _required(self.database_url, "database_url")

    def require_redis_url(self) -> str:
        """Return the URL of Redis; SettingsError when there is none."""
        return _required(self.redis_url, "redis_url")


def _required(value: SecretStr | None, name: str) -> str:
    if value is None:
        raise SettingsError(
            f"{PREFIX}{name.upper()} is not set. {Settings.model_fields[name].description}."
            " `opsrun dev` needs neither: it brings servers of its own."
        )
    return value.get_secret_value()


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: naming every variable that is wrong; values are not repeated.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise SettingsError("\n".join(map(_in_words, faults))) from None


def _in_words(fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"{message}."
    name = str(fault["loc"][0])
    takes = Settings.model_fields[name].description
    return f"{PREFIX}{name.upper()}: {message}. It takes: {takes}."
