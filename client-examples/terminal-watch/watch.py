"""Follow a tenant's runs: progress bars in a terminal, a line per change anywhere else."""

import argparse
import asyncio
import os
import sys
from contextlib import nullcontext

import httpx
from rich.console import Console
from rich.live import Live
from rich.text import Text

from board import Board, is_active, line
from opsrun_client.enums import StatusBucket
from opsrun_client.exceptions import GraphQLClientError, GraphQLClientGraphQLMultiError
from opsrun_client.input_types import OperationRunFilter
from stream import SseClient, follow


class TroubleError(Exception):
    """Something that the user has to fix."""


def setting(name: str) -> str:
    """Return an environment variable."""
    if value := os.environ.get(name):
        return value
    raise TroubleError(f"Set {name}; see README.md.")


def read_filter() -> OperationRunFilter:
    """Read the filter from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--type", action="append", help="only runs of this type; may be repeated")
    parser.add_argument(
        "--bucket",
        action="append",
        choices=[bucket.value for bucket in StatusBucket],
        help="only runs in this bucket; may be repeated",
    )
    arguments = parser.parse_args()
    return OperationRunFilter(run_types=arguments.type, status_buckets=arguments.bucket)


async def tenant_id(client: SseClient, slug: str) -> str:
    """Return the id of one of the caller's tenants."""
    memberships = (await client.memberships()).viewer.memberships
    ids = {one.tenant.slug: one.tenant.id for one in memberships}
    if slug not in ids:
        yours = ", ".join(sorted(ids)) or "none"
        raise TroubleError(f"OPSRUN_TENANT is {slug}, but your tenants are: {yours}.")
    return ids[slug]


async def watch(run_filter: OperationRunFilter) -> None:
    """Show the feed until the program is stopped.

    Raises:
        TroubleError, GraphQLClientError, httpx.HTTPError: it cannot start or continue.
    """
    url, token, slug = map(setting, ("OPSRUN_URL", "OPSRUN_TOKEN", "OPSRUN_TENANT"))
    console = Console(highlight=False, soft_wrap=True)
    board = Board(slug)
    async with SseClient(url, {"Authorization": f"Bearer {token}"}) as client:
        tenant = await tenant_id(client, slug)
        bars = Live(board, console=console, transient=True)
        with bars if console.is_interactive else nullcontext():
            async for news in follow(client, tenant, run_filter):
                before = board.state
                changed = board.take(news)
                if board.state != before and not console.is_interactive:
                    print(board.title, file=sys.stderr, flush=True)
                for run in changed:
                    if not (console.is_interactive and is_active(run)):
                        console.print(Text(f"{board.as_of:%H:%M:%S}  ") + line(run))


def main() -> int:
    """Return 0 after Ctrl-C, 2 if the user must fix something."""
    try:
        asyncio.run(watch(read_filter()))
    except KeyboardInterrupt:
        return 0
    except TroubleError as error:
        print(error, file=sys.stderr)
    except GraphQLClientGraphQLMultiError as error:
        print(f"Opsrun refuses: {error}", file=sys.stderr)
    except GraphQLClientError as error:
        print(f"OPSRUN_URL is not the address of the API: {error}", file=sys.stderr)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        print(f"No connection to OPSRUN_URL: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
