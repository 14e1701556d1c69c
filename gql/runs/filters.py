"""The filter of runs: from a client's argument to the ledger's query."""

from datetime import UTC, datetime

import strawberry
from strawberry import UNSET, field

from domain.errors import BadInputError, LimitExceededError
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.tenancy.models import TenantAccess
from gql.arguments import plain_text
from gql.context import Context

MAX_VALUES = 50


@strawberry.input(
    description="Selects runs. A field that is empty or absent does not restrict the result."
)
class OperationRunFilter:
    run_types: list[str] | None = field(
        default=UNSET, description="Only runs of these types, for example `inventory.sync`."
    )
    status_buckets: list[StatusBucket] | None = field(
        default=UNSET, description="Only runs in these buckets."
    )
    created_from: datetime | None = field(
        default=UNSET,
        description="Only runs created at or after this time. Defaults to 30 days ago.",
    )
    created_until: datetime | None = field(
        default=UNSET, description="Only runs created before this time."
    )
    initiator_ids: list[strawberry.ID] | None = field(
        default=UNSET, description="Only runs that these initiators started."
    )


async def run_filter(
    argument: OperationRunFilter | None, access: TenantAccess, context: Context
) -> RunFilter:
    """Return the ledger's filter, bounded by the default window.

    Raises:
        BadInputError: an empty period, an invalid type or an id that is not an initiator's.
        ForbiddenError: an id of another tenant.
        LimitExceededError: more than MAX_VALUES in one list.
    """
    argument = argument or OperationRunFilter()
    for values in (argument.run_types, argument.initiator_ids):
        if len(values or ()) > MAX_VALUES:
            raise LimitExceededError(f"A filter names at most {MAX_VALUES} values in a list.")
    until = argument.created_until or None
    created_from = argument.created_from or datetime.now(UTC) - context.default_window
    if until is not None and until <= created_from:
        raise BadInputError(
            f"The filter's period is empty: createdUntil must be later than its start,"
            f" {created_from.isoformat()}."
        )
    initiators = [
        await context.locate(id_, "Initiator", within=access)
        for id_ in argument.initiator_ids or ()
    ]
    return RunFilter(
        created_from=created_from,
        created_until=until,
        run_types=frozenset(map(plain_text, argument.run_types or ())),
        status_buckets=frozenset(argument.status_buckets or ()),
        initiator_ids=frozenset(initiator.uuid_key() for _, initiator in initiators),
    )
