"""The run types of this installation: built-in ones, and those of packages beside Opsrun (P5).

A package announces each of its run types by an entry point of the group `opsrun.producers`:

    [project.entry-points."opsrun.producers"]
    "report.export" = "report_export.run_type:REPORT_EXPORT"
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, TypeVar

import orjson
from pydantic.errors import PydanticUserError

from domain.announcements import OWN_PACKAGE, announced
from domain.errors import DeclarationError, UserErrorCode, UserInputError
from domain.runs.contexts import Parameters
from domain.runs.failures import Reason, declare_reason
from domain.runs.models import OperationRun
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession

GROUP = "opsrun.producers"
MAX_ATTEMPTS = 100
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}\.[a-z][a-z0-9_]{0,49}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_PRODUCER = re.compile(r"\w+(\.\w+)*:\w+")


P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Work:
    """What a new run works on: `subject` is its display name, `context` its stored parameters.

    Runs with equal contexts do the same work. The order of a list in it matters.
    """

    subject: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A related thing that another product shows; `url` begins with `https://` or `http://`."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunType(Generic[P]):
    """The declaration of a run type.

    REPORT_EXPORT = RunType(
        name="report.export",
        title="Export a report",
        description="Writes a report as PDF files, one for each department.",
        least_role=TenantRole.OPERATOR,
        parameters=ExportParameters,
        subject=lambda parameters: parameters.report,
        producer="report_export.producer:ReportExport",
    )
    """

    name: str
    """`resource.action`, in lowercase letters, digits and underscores."""
    title: str
    description: str
    least_role: TenantRole
    """The least role that may start a run."""
    parameters: type[P]
    """The parameters of a start. The run's context stores them, and every member can read it."""
    producer: str
    """Where workers import the producer's class from, as `package.module:Class`."""
    subject: Callable[[P], str] | None = None
    """Returns the display name of what the run works on."""
    prepare: Callable[[TenantSession, P], Awaitable[Work]] | None = None
    """Used instead of `subject` if a start must read the tenant's data; may raise UserInputError.

    It may read only. What it returns replaces the parameters in the run's context.
    """
    reasons: Sequence[Reason] = ()
    """The reasons, other than the built-in ones, why a run or one of its items can fail."""
    attempts: int = 3
    """How often the run is tried before it fails because its workers were lost."""
    timeout: timedelta | None = None
    """How long an attempt may take; None for the installation's limit."""
    links: Callable[[OperationRun], Sequence[Link]] | None = None
    """Returns the things of other products that the run relates to. It must not wait."""

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the parameters."""
        return _json_schema(self.parameters)


@cache
def _json_schema(model: type[Parameters]) -> dict[str, Any]:
    return model.model_json_schema()


class RunTypes(Mapping[str, RunType[Any]]):
    """The declared run types by name."""

    def __init__(self) -> None:
        self._declared: dict[str, tuple[RunType[Any], str]] = {}

    def __getitem__(self, name: str) -> RunType[Any]:
        return self._declared[name][0]

    def __iter__(self) -> Any:
        return iter(sorted(self._declared))

    def __len__(self) -> int:
        return len(self._declared)

    def declare(self, run_type: object, package: str) -> None:
        """Add a package's run type.

        Raises:
            DeclarationError: it is not valid, or clashes with another one.
        """
        try:
            _require_valid(run_type)
        except ValueError as error:
            raise DeclarationError(
                f"The package {package} declares a run type wrongly: {error}"
            ) from error
        except Exception as error:
            name = getattr(run_type, "name", run_type)
            raise DeclarationError(
                f"The package {package} declares the run type {name!r} with a value of a wrong"
                f" type: {type(error).__name__}: {error}"
            ) from error
        assert isinstance(run_type, RunType)
        if run_type.name in self._declared:
            other = self._declared[run_type.name][1]
            raise DeclarationError(
                f"The packages {other} and {package} both declare the run type"
                f" {run_type.name!r}. Uninstall one of them."
            )
        self._declared[run_type.name] = run_type, package
        for reason in run_type.reasons:
            try:
                declare_reason(reason)
            except ValueError as error:
                raise DeclarationError(
                    f"The package {package} declares a run type wrongly: {error}"
                ) from error

    def is_built_in(self, name: str) -> bool:
        """Return whether Opsrun itself declares the run type."""
        return name in self._declared and self._declared[name][1] == OWN_PACKAGE

    def for_start(self, access: TenantAccess, name: str) -> RunType[Any]:
        """Return the run type, for a member who may start its runs.

        Raises:
            UserInputError: UNKNOWN_RUN_TYPE.
            ForbiddenError: the role may not.
        """
        run_type = self.get(name)
        if run_type is None:
            # A client may send any text here; the response quotes only its beginning.
            quoted = repr(name if len(name) <= 60 else f"{name[:60]}…")
            raise UserInputError(
                UserErrorCode.UNKNOWN_RUN_TYPE, f"Unknown run type {quoted}.", "run_type"
            )
        access.require_role(run_type.least_role)
        return run_type


@cache
def run_types() -> RunTypes:
    """Return the run types that the installed packages declare.

    Raises:
        DeclarationError: one of them is not valid.
    """
    declared = RunTypes()
    for run_type, package in announced(GROUP):
        declared.declare(run_type, package)
    return declared


def _require_valid(run_type: object) -> None:
    """Raise ValueError with a sentence unless the declaration is valid."""
    if not isinstance(run_type, RunType):
        raise ValueError(f"{run_type!r} is not a RunType.")  # noqa: TRY004 - one kind of error
    name = run_type.name
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not `resource.action` in lowercase letters, digits and underscores, each"
            " part with at most 50 characters."
        )
    if not run_type.title.strip() or not run_type.description.strip():
        raise ValueError(f"{name} needs a title and a description.")
    if not isinstance(run_type.least_role, TenantRole):
        raise ValueError(f"the least role of {name} is not a TenantRole.")  # noqa: TRY004
    _require_parameters(run_type)
    if (run_type.subject is None) == (run_type.prepare is None):
        raise ValueError(f"{name} needs either `subject` or `prepare`.")
    if not _PRODUCER.fullmatch(run_type.producer):
        raise ValueError(
            f"the producer of {name} is {run_type.producer!r}, not `package.module:Class`."
        )
    if not isinstance(run_type.attempts, int) or not 1 <= run_type.attempts <= MAX_ATTEMPTS:
        raise ValueError(f"the attempts of {name} are not between 1 and {MAX_ATTEMPTS}.")
    if run_type.timeout is not None and run_type.timeout <= timedelta(0):
        raise ValueError(f"the timeout of {name} is not positive.")
    for reason in run_type.reasons:
        if not _CODE.fullmatch(reason.code) or not reason.title.strip() or not reason.action:
            raise ValueError(
                f"the reason {reason.code!r} of {name} needs a code in capital letters, digits and"
                " underscores, a title, and an action."
            )


def _require_parameters(run_type: RunType[Any]) -> None:
    name, model = run_type.name, run_type.parameters
    if not (isinstance(model, type) and issubclass(model, Parameters)):
        raise ValueError(f"the parameters of {name} are not a subclass of Parameters.")  # noqa: TRY004
    try:
        schema = orjson.dumps(run_type.json_schema())
    except PydanticUserError as error:
        raise ValueError(f"the parameters of {name} have no JSON Schema: {error}") from error
    if b'"uniqueItems":true' in schema:
        raise ValueError(
            f"the parameters of {name} contain a set, whose order changes from process to process."
            " Use a tuple."
        )
    if b'"format":"password"' in schema:
        raise ValueError(
            f"the parameters of {name} contain a secret. Every member can read a run's context:"
            " store the secret elsewhere, and pass its name."
        )
