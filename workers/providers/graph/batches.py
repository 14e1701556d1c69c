"""Several requests as one `$batch`: each part has its own status, headers and tries."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.runs.failures import ProducerError
from workers.providers.graph.areas import Area
from workers.providers.graph.client import MAX_REQUEST_ID, Answer, GraphClient, short_path
from workers.providers.graph.failures import unexpected
from workers.providers.graph.retries import is_limited, seconds_to_wait

MAX_PARTS = 20
# A part without an answer is tried again.
_NO_ANSWER = Answer(0, {}, None)


async def read_batch(
    client: GraphClient, version: str, paths: Sequence[str], area: Area
) -> list[dict[str, Any] | ProducerError]:
    """Return the objects at up to 20 paths, which lack the version, or why there is none.

    Only the parts that may succeed later are sent again.

    Raises:
        ProducerError: the batch as a whole failed: see `GraphClient.get`.
    """
    results: dict[int, dict[str, Any] | ProducerError] = {}
    left, tries = list(range(len(paths))), 0
    while left:
        tries += 1
        again: dict[int, Answer] = {}
        answers = await _send(client, version, {n: paths[n] for n in left}, area)
        for number in left:
            answer, path = answers.get(number, _NO_ANSWER), f"{version}/{short_path(paths[number])}"
            try:
                if answer.status == 200:
                    results[number] = answer.require_object(path)
                    continue
                if answer.status == 401 and tries == 1:
                    client.renew_token()
                else:
                    client.require_retry(answer, path, tries)
                again[number] = answer
            except ProducerError as error:
                results[number] = error
        left = [*again]
        if again:
            # One part decides, and the others wait with it: of those that Graph limits, which other
            # workers have to know, the one that waits longest.
            slowest = max(
                again.values(),
                key=lambda one: (is_limited(one.status), seconds_to_wait(one.headers, tries)),
            )
            await client.wait(slowest, area, tries)
    return [results[number] for number in range(len(paths))]


async def _send(
    client: GraphClient, version: str, paths: Mapping[int, str], area: Area
) -> dict[int, Answer]:
    """Send the parts, and return the answers by number."""
    # A part has none of the batch's headers.
    headers = {"client-request-id": str(client.call.request_id)}
    body = {
        "requests": [
            {"id": str(number), "method": "GET", "url": f"/{path}", "headers": headers}
            for number, path in paths.items()
        ]
    }
    answer = await client.post(f"{version}/$batch", body, area, len(paths))
    responses = answer.get("responses")
    if not isinstance(responses, list):
        raise unexpected(f"{version}/$batch", "has no responses")
    return {
        int(response["id"]): _answer(response)
        for response in responses
        if isinstance(response, dict) and str(response.get("id")).isdecimal()
    }


def _answer(response: Mapping[str, Any]) -> Answer:
    status, headers = response.get("status"), response.get("headers")
    names = {
        name.lower(): value
        for name, value in (headers.items() if isinstance(headers, dict) else ())
        if isinstance(value, str)
    }
    return Answer(
        status if isinstance(status, int) else 0,
        names,
        response.get("body"),
        names.get("request-id", "unknown")[:MAX_REQUEST_ID],
    )
