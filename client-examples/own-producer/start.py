"""Start an export and watch it until it ends."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx

MEMBERSHIPS = "{ viewer { memberships { tenant { id slug } } } }"
START = """
mutation Start($input: StartOperationInput!) {
  startOperation(input: $input) {
    run { id }
    userErrors { message field }
  }
}
"""
WATCH = """
subscription Watch($run: ID!) {
  operationRun(id: $run) {
    run { statusBucket counts { total processed failed } finishedAt }
  }
}
"""
RESULT = """
query Result($run: ID!) {
  node(id: $run) {
    ... on OperationRun {
      failures { nodes { itemKey message reason { code action } } }
      skippedItems { nodes { itemKey reason } }
      related { ... on RelatedLink { title url } }
    }
  }
}
"""


def stop(*messages: str) -> NoReturn:
    """Exit with code 2: the user has to correct something."""
    print(*messages, sep="\n", file=sys.stderr)
    sys.exit(2)


def setting(name: str) -> str:
    """Return an environment variable."""
    return os.environ.get(name) or stop(f"Set {name}.")


URL, TENANT = setting("OPSRUN_URL"), setting("OPSRUN_TENANT")


def token() -> str:
    """Return the token of a person; a service gets one from its issuer (RFC 6749, 4.4)."""
    if (issuer := os.environ.get("OPSRUN_TOKEN_URL")) is None:
        return setting("OPSRUN_TOKEN")
    form = {"grant_type": "client_credentials"}
    for name in ("audience", "scope"):  # some issuers need one of them
        if value := os.environ.get(f"OPSRUN_{name.upper()}"):
            form[name] = value
    client = (setting("OPSRUN_CLIENT_ID"), setting("OPSRUN_CLIENT_SECRET"))
    response = httpx.post(issuer, data=form, auth=client)
    if response.status_code != 200:
        stop(f"{issuer} gives no token: {response.text}")
    return str(response.json()["access_token"])


def data(result: Any) -> Any:
    """Return the data of a GraphQL result; stop with the messages of its errors."""
    if result.get("errors"):
        stop(*(error["message"] for error in result["errors"]))
    return result["data"]


def ask(http: httpx.Client, query: str, **variables: Any) -> Any:
    """Run a query or mutation."""
    return data(http.post(URL, json={"query": query, "variables": variables}).json())


def events(http: httpx.Client, query: str, **variables: Any) -> Iterator[Any]:
    """Run a subscription over server-sent events."""
    body = {"query": query, "variables": variables}
    accept = {"accept": "text/event-stream"}
    with http.stream("POST", URL, json=body, headers=accept, timeout=30) as response:
        if "text/event-stream" not in response.headers["content-type"]:
            data(json.loads(response.read()))
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield data(json.loads(line.removeprefix("data: ")))


def main(month: str, *departments: str) -> int:
    """Return 0 if all reports were written, and 1 if some were not."""
    with httpx.Client(headers={"authorization": f"Bearer {token()}"}) as http:
        memberships = ask(http, MEMBERSHIPS)["viewer"]["memberships"]
        tenants = {one["tenant"]["slug"]: one["tenant"]["id"] for one in memberships}
        context = {"month": month, "departments": departments}
        operation = {
            "tenantId": tenants.get(TENANT, TENANT),
            "runType": "report.export",
            "context": context,
        }
        started = ask(http, START, input=operation)["startOperation"]
        if started["run"] is None:
            stop(*(f"{'.'.join(e['field'])}: {e['message']}" for e in started["userErrors"]))
        run_id, run = started["run"]["id"], None
        for event in events(http, WATCH, run=run_id):
            run = event["operationRun"]["run"]
            counts = run["counts"]
            total = "?" if counts["total"] is None else counts["total"]
            print(run["statusBucket"], f"{counts['processed']}/{total}", flush=True)
        if run is None or run["finishedAt"] is None:
            stop("The connection was cut; client-examples/python-client shows how to go on.")
        result = ask(http, RESULT, run=run_id)["node"]
    for failure in result["failures"]["nodes"]:
        item, reason = failure["itemKey"] or "The export", failure["reason"]
        print(f"{item}: {failure['message']} {reason['action']} ({reason['code']})")
    for item in result["skippedItems"]["nodes"]:
        print(f"{item['itemKey']}: {item['reason']}")
    for link in result["related"]:
        print(f"{link['title']}: {link['url']}")
    return 0 if run["statusBucket"] == "SUCCEEDED" else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except httpx.RequestError as error:
        stop(f"No connection to {error.request.url}: {error}")
