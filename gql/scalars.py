"""The scalars of the schema."""

from datetime import UTC, datetime

from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition, scalar


def _serialize(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(value: object) -> datetime:
    """Read a moment with its offset from UTC; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - callers mend one kind of error
    read = datetime.fromisoformat(value)
    if read.tzinfo is None:
        raise ValueError(value)
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise ValueError(value) from None


def _parse(value: object) -> datetime:
    try:
        return moment(value)
    except ValueError:
        raise GraphQLError(
            "A DateTime reads 2026-01-31T12:00:00Z, with the offset from UTC or a Z."
        ) from None


DateTime: ScalarDefinition = scalar(
    name="DateTime",
    description="A moment with its offset from UTC, as in RFC 3339; answers are in UTC.",
    specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
    serialize=_serialize,
    parse_value=_parse,
)
