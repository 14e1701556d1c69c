"""The whole schema, composed of the subjects' types."""

from collections.abc import Mapping
from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types.scalar import ScalarDefinition

import gql.enums  # gives the domain's enums their descriptions
import gql.related  # noqa: F401 - adds what each run type relates to
from domain.errors import DeclarationError
from domain.runs.run_types import run_types
from gql.backups.mutations import BackupMutations
from gql.drift.mutations import DriftMutations
from gql.groups.mutations import GroupMutations
from gql.inventory.mutations import InventoryMutations
from gql.notifications.mutations import NotificationMutations
from gql.notifications.subscriptions import NotificationSubscriptions
from gql.parts import added_types, guard_parts, packages
from gql.queries import Query
from gql.runs.mutations import RunMutations
from gql.runs.subscriptions import RunSubscriptions
from gql.scalars import DateTime
from gql.tenant_settings import TenancyMutations

_MUTATIONS = (
    *(RunMutations, InventoryMutations, DriftMutations, BackupMutations),
    *(GroupMutations, NotificationMutations, TenancyMutations),
)


@strawberry.type(description="The root of all mutations.")
class Mutation(*_MUTATIONS, *added_types("Mutation", *_MUTATIONS)):  # type: ignore[misc]
    """The root of all mutations."""


@strawberry.type(description="The root of all subscriptions.")
class Subscription(RunSubscriptions, NotificationSubscriptions):
    """The root of all subscriptions."""


def build(query: type, scalars: Mapping[object, ScalarDefinition]) -> strawberry.Schema:
    """Return a schema with this root of queries, and the scalars by the types that stand for them.

    Raises:
        DeclarationError: a package adds to the schema what does not fit.
    """
    try:
        built = strawberry.Schema(
            query=query,
            mutation=Mutation,
            subscription=Subscription,
            config=StrawberryConfig(scalar_map=scalars),
        )
    except Exception as error:
        if not packages():
            raise
        raise DeclarationError(
            f"The schema cannot be built with what these packages add: {packages()}. {error}"
        ) from error
    guard_parts(built._schema)
    # Fail now rather than at the first start of a run.
    run_types()
    return built


SCALARS: Mapping[object, ScalarDefinition] = {datetime: DateTime}
schema = build(Query, SCALARS)
# The same schema as graphql-core knows it.
core_schema = schema._schema
