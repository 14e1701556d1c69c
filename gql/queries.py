"""The root of all queries: the viewer, a tenant, and any node by its id."""

from collections.abc import Callable, Hashable, Sequence
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import argument, field

from domain.backups import repository as backups
from domain.drift import repository as drift
from domain.errors import LimitExceededError
from domain.groups.repository import reading as groups
from domain.inventory.repository import policies
from domain.notifications import repository as notifications
from domain.runs.failures import declared_reasons
from domain.runs.repository import reading
from gql.backups.queries import BackupSet
from gql.context import Info
from gql.drift.queries import DriftFinding
from gql.groups.queries import Group
from gql.ids import GlobalId, Node
from gql.inventory.queries import Policy, policy_key
from gql.notifications.queries import Notification
from gql.pages import MAX_PAGE
from gql.runs.run_types import FailureReason
from gql.runs.types import OperationRun
from gql.tenant import Tenant, Viewer

# By type: the query for models by their keys, the key in an id, and the model's GraphQL form.
_NODES: dict[str, tuple[Any, Callable[[GlobalId], Hashable], Callable[..., Any]]] = {
    "Policy": (policies.current_policies, policy_key, lambda model, *_: Policy.of(model)),
    "OperationRun": (reading.by_ids, GlobalId.uuid_key, OperationRun.of),
    "Notification": (notifications.by_ids, GlobalId.uuid_key, Notification.of),
    "BackupSet": (backups.by_ids, GlobalId.uuid_key, lambda m, access, _: BackupSet.of(m, access)),
    "DriftFinding": (
        drift.by_ids,
        GlobalId.uuid_key,
        lambda m, access, _: DriftFinding.of(m, access),
    ),
    "Group": (groups.by_ids, lambda id_: id_.key, lambda m, access, _: Group.of(m, access)),
}
# The types that `read_nodes` reads.
NODE_TYPES = frozenset({"Tenant", *_NODES})


def require_key(id_: GlobalId) -> None:
    """Raise BadInputError if the key of an id cannot belong to its type."""
    if id_.type_name in _NODES:
        _, key_of, _ = _NODES[id_.type_name]
        key_of(id_)


async def read_nodes(info: Info, ids: Sequence[GlobalId]) -> list[Any]:
    """Return the objects of these ids in their order; None for one that does not exist.

    One statement reads all of a type and tenant.

    Raises:
        ForbiddenError: the caller is not a member of an id's tenant.
        BadInputError: a key cannot belong to its type.
        LimitExceededError: there are more than `MAX_PAGE`.
    """
    if len(ids) > MAX_PAGE:
        raise LimitExceededError(f"Ask for at most {MAX_PAGE} nodes at a time.")
    # Every tenant is checked before the first row is read.
    accesses = {id_.tenant_id: await info.context.enter(id_.tenant_id) for id_ in ids}
    groups: dict[tuple[str, UUID], list[GlobalId]] = {}
    for id_ in ids:
        groups.setdefault((id_.type_name, id_.tenant_id), []).append(id_)
    nodes: dict[GlobalId, Any] = {}
    for (type_name, tenant_id), members in groups.items():
        access = accesses[tenant_id]
        if type_name == "Tenant":
            nodes |= dict.fromkeys(members, access)
        elif type_name in _NODES:
            query, key_of, node_of = _NODES[type_name]
            keys = {key_of(id_): id_ for id_ in members}
            models = await info.context.read(query, access, list(keys))
            nodes |= {keys[key]: node_of(model, access, info) for key, model in models.items()}
    return [nodes.get(id_) for id_ in ids]


@strawberry.type(description="The root of all queries.")
class Query:
    @field(description="The caller and their memberships.")
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(await info.context.principal())

    @field(
        description="A tenant by its id. FORBIDDEN if the caller is not a member, whether the"
        " tenant exists or not."
    )
    async def tenant(
        self,
        info: Info,
        id: Annotated[strawberry.ID, argument(description="The id of the tenant.")],  # noqa: A002
    ) -> Tenant:
        access, _ = await info.context.locate(id, "Tenant")
        return cast("Tenant", access)

    @field(description="The reasons why runs and their items fail, sorted by code.")
    def failure_reasons(self) -> list[FailureReason]:
        return cast("list[FailureReason]", declared_reasons())

    @field(
        description="An object by its id. Null if it does not exist in the caller's tenants;"
        " FORBIDDEN for an id of another tenant, whether the object exists or not."
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, argument(description="The id.")],  # noqa: A002
    ) -> Node | None:
        (node,) = await read_nodes(info, [GlobalId.decode(id)])
        return cast("Node | None", node)

    @field(description="Several objects by their ids, in the order of the ids.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], argument(description="The ids, at most 100.")],
    ) -> list[Node | None]:
        return await read_nodes(info, [GlobalId.decode(id_) for id_ in ids])
