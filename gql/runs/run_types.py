"""The run types of the installation, and the reasons why their runs fail."""

from typing import Any, cast

import strawberry
from strawberry import field
from strawberry.scalars import JSON

from domain.errors import ForbiddenError, UserInputError
from domain.runs import run_types as declared
from domain.runs.repository.serving import served
from domain.tenancy.models import TenantAccess
from domain.tenancy.roles import TenantRole
from gql.context import Info


@strawberry.type(description="Whether the caller may start runs of a type.")
class StartPermission:
    allowed: bool = field(description="Whether the caller may start runs of this type.")
    reason: str | None = field(description="Why not, as text; null if allowed.")


def start_permission(access: TenantAccess, run_type: str) -> StartPermission:
    """Return whether the member may start runs of a type, and why not."""
    try:
        declared.run_types().for_start(access, run_type)
    except (ForbiddenError, UserInputError) as error:
        return StartPermission(allowed=False, reason=str(error))
    return StartPermission(allowed=True, reason=None)


@strawberry.type(description="A reason why an item, or a run as a whole, failed.")
class FailureReason:
    code: str = field(
        description="A stable code to switch on. Installed packages may add their own."
    )
    title: str = field(description="What happened, in a few words.")
    action: str = field(description="What the user should do, as text to show.")
    retryable: bool = field(description="Whether starting the run again may help.")


@strawberry.type(description="A type of runs that this installation can start.")
class RunTypeDeclaration:
    access: strawberry.Private[TenantAccess]
    name: str = field(description="The run type, `resource.action`.")
    title: str = field(description="What a run does, in a few words.")
    description: str = field(description="What a run does.")
    least_role: TenantRole = field(description="The least role that may start a run.")
    context_schema: JSON = field(
        description="The JSON Schema of the `context` that `startOperation` takes."
    )
    failure_reasons: list[FailureReason] = field(
        description="The reasons that only runs of this type can fail for."
    )
    start_permission: StartPermission = field(description="Whether the caller may start a run.")

    @field(description="Whether a running worker knows the type. Otherwise its runs wait for one.")
    async def is_served(self, info: Info) -> bool:
        return bool(await info.context.load(served, self.access, self.name))

    @classmethod
    def of(cls, run_type: declared.RunType[Any], access: TenantAccess) -> "RunTypeDeclaration":
        """Return the run type as a member sees it."""
        return cls(
            access=access,
            name=run_type.name,
            title=run_type.title,
            description=run_type.description,
            least_role=run_type.least_role,
            context_schema=cast("JSON", run_type.json_schema()),
            failure_reasons=cast("list[FailureReason]", run_type.reasons),
            start_permission=start_permission(access, run_type.name),
        )
