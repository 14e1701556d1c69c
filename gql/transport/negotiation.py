"""The media type of a response, from the request's Accept header."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache


class MediaType(StrEnum):
    """The media types of responses; the first is for clients without a preference."""

    JSON = "application/json"
    GRAPHQL_RESPONSE = "application/graphql-response+json"
    EVENT_STREAM = "text/event-stream"


@lru_cache(maxsize=64)  # clients of one kind send the same header
def acceptable(accept: str) -> tuple[MediaType, ...]:
    """Return the media types that `accept` allows, the best first.

    An empty header allows the two JSON types, as `*/*` does. A client gets an event stream only
    if it names that type; `text/*` does not. If several types have the same quality, a client
    that names GraphQL's own type gets it; else the order of `MediaType` decides.
    """
    ranges = list(_media_ranges(accept or "*/*"))
    qualities = {media: _quality(media, ranges) for media in MediaType}
    allowed = [media for media in MediaType if qualities[media] > 0]
    if any(name == MediaType.GRAPHQL_RESPONSE for name, _ in ranges):
        allowed.sort(key=lambda media: media is not MediaType.GRAPHQL_RESPONSE)
    return tuple(sorted(allowed, key=lambda media: -qualities[media]))


def json_type(allowed: Sequence[MediaType]) -> MediaType:
    """Return the best allowed JSON type; also for the errors of a stream."""
    return next((m for m in allowed if m is not MediaType.EVENT_STREAM), MediaType.JSON)


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            yield name, float(quality)
        except ValueError:
            continue


def _quality(media: MediaType, ranges: list[tuple[str, float]]) -> float:
    patterns = [media.value]
    if media is not MediaType.EVENT_STREAM:
        patterns += ["application/*", "*/*"]
    # The most specific range that matches decides, even when it forbids (RFC 9110, 12.5.1).
    for pattern in patterns:
        for name, quality in ranges:
            if name == pattern:
                return quality
    return 0.0
