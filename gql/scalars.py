"""The scalars of the schema."""

from datetime import UTC, datetime

from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition, scalar


def _serialize(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parse(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise GraphQLError(
            "A DateTime reads 2026-01-31T12:00:00Z, with the offset from UTC or a Z."
        )
    return moment


DateTime: ScalarDefinition = scalar(
    name="DateTime",
    description="A moment with its offset from UTC, as in RFC 3339; answers are in UTC.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=_serialize,
    parse_value=_parse,
)
