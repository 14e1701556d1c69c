"""The filter of the list: what a client asks for, and what the ledger reads."""

from datetime import UTC, datetime
from uuid import UUID

import strawberry
from strawberry import UNSET

from domain.errors import BadInputError, LimitExceededError
from domain.lifecycle import StatusBucket
from domain.runs.models import RunFilter
from domain.tenancy.models import TenantAccess
from gql.arguments import plain_text
from gql.context import Context

MAX_VALUES = 50


@strawberry.input(description="Which runs; an empty or absent part does not restrict.")
class OperationRunFilter:
    """GraphQL form of `domain.runs.models.RunFilter`."""

    run_types: list[str] | None = strawberry.field(
        default=UNSET, description="Only these types, as `inventory.sync`."
    )
    status_buckets: list[StatusBucket] | None = strawberry.field(
        default=UNSET, description="Only runs in these buckets."
    )
    created_from: datetime | None = strawberry.field(
        default=UNSET, description="Not created before; if not given, the last 30 days are shown."
    )
    created_until: datetime | None = strawberry.field(
        default=UNSET, description="Created before this moment."
    )
    initiator_ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="Only runs that these initiators started."
    )


async def run_filter(
    asked: OperationRunFilter | None, access: TenantAccess, context: Context
) -> RunFilter:
    """Return the ledger's filter, bounded by the default window.

    Raises:
        BadInputError: the range is empty, a type is no text or an id is none of an initiator.
        ForbiddenError: an id of another tenant.
        LimitExceededError: more than MAX_VALUES in one list.
    """
    asked = asked or OperationRunFilter()
    for values in (asked.run_types, asked.initiator_ids):
        if len(values or ()) > MAX_VALUES:
            raise LimitExceededError(f"A filter names at most {MAX_VALUES} values in a list.")
    until = asked.created_until or None
    created_from = asked.created_from or datetime.now(UTC) - context.default_window
    if until is not None and until <= created_from:
        raise BadInputError(
            f"The filter's range is empty: createdUntil must be later than"
            f" {created_from.isoformat()}, where it begins."
        )
    return RunFilter(
        created_from=created_from,
        created_until=until,
        run_types=frozenset(map(plain_text, asked.run_types or ())),
        status_buckets=frozenset(asked.status_buckets or ()),
        initiator_ids=frozenset(
            [await _initiator_id(id_, access, context) for id_ in asked.initiator_ids or ()]
        ),
    )


async def _initiator_id(id_: str, access: TenantAccess, context: Context) -> UUID:
    located, decoded = await context.locate(id_, "Initiator")
    if located.tenant_id != access.tenant_id:
        raise BadInputError("An initiator's id in the filter belongs to another tenant.")
    return decoded.uuid_key()
