"""The whole schema, composed of the subjects' types."""

from datetime import datetime

import strawberry
from strawberry.schema.config import StrawberryConfig

import gql.enums  # gives the domain's enums their descriptions
import gql.related  # noqa: F401 - adds what each run type relates to
from gql.backups.mutations import BackupMutations
from gql.drift.mutations import DriftMutations
from gql.inventory.mutations import InventoryMutations
from gql.notifications.mutations import NotificationMutations
from gql.notifications.subscriptions import NotificationSubscriptions
from gql.queries import Query
from gql.runs.mutations import RunMutations
from gql.runs.subscriptions import RunSubscriptions
from gql.scalars import DateTime
from gql.tenant_settings import TenancyMutations


@strawberry.type(description="The root of all mutations.")
class Mutation(
    RunMutations,
    InventoryMutations,
    DriftMutations,
    BackupMutations,
    NotificationMutations,
    TenancyMutations,
):
    """The root of all mutations."""


@strawberry.type(description="The root of all subscriptions.")
class Subscription(RunSubscriptions, NotificationSubscriptions):
    """The root of all subscriptions."""


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map={datetime: DateTime}),
)
# The same schema as graphql-core knows it.
core_schema = schema._schema
