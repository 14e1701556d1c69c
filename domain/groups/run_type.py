"""The declaration of `group.sync` (P7)."""

from domain.errors import UserErrorCode, UserInputError
from domain.groups.models import RUN_TYPE, GroupSyncParameters
from domain.runs.failures import Reason
from domain.runs.repository.reading import active_context
from domain.runs.run_types import RunType, Work
from domain.tenancy.providers import GraphSettings
from domain.tenancy.repository import provider
from domain.tenancy.roles import TenantRole
from domain.tenancy.session import TenantSession

INVALID_GROUP = Reason(
    "INVALID_GROUP",
    "The provider's answer about the group cannot be stored",
    "Correct the group at the provider. The next sync reads all groups again.",
)


async def _prepare(session: TenantSession, parameters: GroupSyncParameters) -> Work:
    """Require Microsoft Graph. An active sync is the same work, whether it is full or not.

    Raises:
        UserInputError: GRAPH_REQUIRED.
    """
    if not isinstance(await provider(session), GraphSettings):
        raise UserInputError(
            UserErrorCode.GRAPH_REQUIRED,
            "Groups are read from Microsoft Graph, and the tenant has no such provider. The"
            " operator sets it with `opsrun tenant`: `--graph-tenant`, `--graph-client` and a"
            " credential.",
        )
    active = await active_context(session, RUN_TYPE)
    return Work("Groups", parameters.context if active is None else active)


GROUP_SYNC = RunType(
    name=RUN_TYPE,
    title="Sync groups",
    description="Stores the tenant's groups and their members.",
    least_role=TenantRole.OPERATOR,
    parameters=GroupSyncParameters,
    prepare=_prepare,
    producer="workers.producers.group_sync:GroupSync",
    reasons=[INVALID_GROUP],
)
