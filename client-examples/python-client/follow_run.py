"""Start an inventory sync and follow it until it ends, even if the connection breaks."""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from time import monotonic

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException

from opsrun_client.client import OpsrunClient
from opsrun_client.enums import StatusBucket
from opsrun_client.exceptions import GraphQLClientError, GraphQLClientGraphQLMultiError
from opsrun_client.failures import FailuresNodeOperationRun
from opsrun_client.follow_run import FollowRunOperationRun as Event
from opsrun_client.fragments import RunState

ACTIVE = {StatusBucket.QUEUED, StatusBucket.RUNNING}
NEWEST_RUNS = 5
FAILURES = 25
# How many tries in a row may fail.
MOST_TRIES = 8
# Seconds between two tries, at most.
LONGEST_PAUSE = 15.0
# A connection that lasts for this many seconds counts as a success, even if the run was quiet.
STANDING = 30.0


class TroubleError(Exception):
    """Something that the user has to fix."""


def setting(name: str) -> str:
    """Return an environment variable."""
    if value := os.environ.get(name):
        return value
    raise TroubleError(f"Set {name}; see README.md.")


def line(run: RunState) -> str:
    """Return the state of a run in one line."""
    counts = run.counts
    total = "?" if counts.total is None else counts.total
    failed = f", {counts.failed} failed" if counts.failed else ""
    return f"{run.run_type}  {run.status_bucket.value:<19}  {counts.processed}/{total}{failed}"


# The database is away, or the user's budget is used up.
MAY_PASS = ("UNAVAILABLE", "RATE_LIMITED")


def is_final(error: Exception) -> bool:
    """Return whether the server would give the same answer again.

    It closes with 1012 when it restarts, with 1013 when it cannot serve now, and with 4499 when
    the client was silent: connect again. Its other codes from 4000 are errors of the client.
    """
    if isinstance(error, ConnectionClosed):
        return error.rcvd is not None and error.rcvd.code >= 4000 and error.rcvd.code != 4499
    if isinstance(error, GraphQLClientGraphQLMultiError):
        return not any((one.extensions or {}).get("code") in MAY_PASS for one in error.errors)
    return False


async def events(client: OpsrunClient, run_id: str) -> AsyncIterator[Event]:
    """Yield every event of a run once, until it ends; a new connection continues by cursor.

    Raises:
        TroubleError: too many tries in a row failed.
        GraphQLClientError, ConnectionClosed: the server refuses.
    """
    cursor: str | None = None
    tries = 0
    ended = False
    while not ended:
        reason = "the stream ended early"
        began = monotonic()
        try:
            async for message in client.follow_run(run_id, after=cursor):
                event = message.operation_run
                cursor, tries = event.cursor, 0
                ended = event.run.status_bucket not in ACTIVE
                yield event
        except (OSError, WebSocketException, GraphQLClientError) as error:
            if is_final(error):
                raise
            reason = str(error)
        if not ended:
            tries = 1 if monotonic() - began > STANDING else tries + 1
            if tries > MOST_TRIES:
                raise TroubleError(f"Gave up following: {reason}")
            pause = min(LONGEST_PAUSE, 2.0 ** (tries - 2)) * random.uniform(0.5, 1)  # noqa: S311
            print(f"Disconnected: {reason}. Trying again in {pause:.1f} s", file=sys.stderr)
            await asyncio.sleep(pause)


async def print_failures(client: OpsrunClient, run_id: str) -> None:
    """Print the first page of a run's failures."""
    run = (await client.failures(run_id, first=FAILURES)).node
    if not isinstance(run, FailuresNodeOperationRun):
        raise TroubleError("The run is gone.")
    for failure in run.failures.nodes:
        item = failure.item_key or "the whole run"
        print(f"  {item}: {failure.message} ({failure.reason_code})")
    if run.failures.page_info.has_next_page:
        print(f"  … and {run.failure_count - len(run.failures.nodes)} more")


async def sync(client: OpsrunClient, slug: str, scope_key: str) -> bool:
    """List runs, start a sync, follow it; return whether it succeeded as a whole."""
    memberships = (await client.memberships()).viewer.memberships
    tenant_ids = {one.tenant.slug: one.tenant.id for one in memberships}
    if slug not in tenant_ids:
        yours = ", ".join(sorted(tenant_ids)) or "none"
        raise TroubleError(f"OPSRUN_TENANT is {slug}, but your tenants are: {yours}.")
    tenant_id = tenant_ids[slug]

    print(f"The newest runs of {slug}:")
    for run in (await client.newest_runs(tenant_id, NEWEST_RUNS)).tenant.operation_runs.nodes:
        print(f"  {run.created_at:%Y-%m-%d %H:%M:%S}  {line(run)}")

    start = (await client.start_sync(tenant_id, scope_key)).start_inventory_sync
    if start.run is None or start.outcome is None:
        raise TroubleError("\n".join(error.message for error in start.user_errors))
    print(f"Following {start.run.url} ({start.outcome.value})")
    bucket = StatusBucket.QUEUED
    async for event in events(client, start.run.id):
        bucket = event.run.status_bucket
        kind = event.kind.value if event.kind else "SNAPSHOT"
        print(
            f"{event.occurred_at:%H:%M:%S}  #{event.run.version:<3} {kind:<10}  {line(event.run)}",
            flush=True,
        )
    await print_failures(client, start.run.id)
    return bucket is StatusBucket.SUCCEEDED


async def run(scope_key: str) -> bool:
    """Connect with the settings of the environment."""
    url, token, slug = map(setting, ("OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT"))
    authorization = {"Authorization": f"Bearer {token}"}
    async with OpsrunClient(
        url,
        authorization,
        ws_url=url.replace("http", "ws", 1),
        ws_connection_init_payload=authorization,
    ) as client:
        return await sync(client, slug, scope_key)


def main() -> int:
    """Return 0 after a success, 1 if the run ended otherwise, 2 if there is something to fix."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scope", help="the key of the scope to sync, for example workstations")
    try:
        return 0 if asyncio.run(run(parser.parse_args().scope)) else 1
    except TroubleError as error:
        print(error, file=sys.stderr)
    except (GraphQLClientError, ConnectionClosed) as error:
        print(f"Opsrun refuses: {error}", file=sys.stderr)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"No connection to OPSRUN_URL: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped following; the run continues.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
