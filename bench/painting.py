"""Measure the time from a worker's commit to the painted row, against a running `make dev`.

python -m bench.painting 'http://127.0.0.1:8000/#demo=…'
"""

import asyncio
import statistics
import sys
from collections.abc import Iterable
from datetime import datetime
from time import time

import click
from playwright.async_api import Page, expect

from tests.client import SSE, SYNC, TENANTS, User
from tests.clients.browser import Visitor, base_and_tokens, chromium

# Enough for a hundred samples: versions that share a frame with a later one are not painted.
EVENTS = 120
SCOPE = "broken-export"
Moments = dict[tuple[str, int], float]

# The frame is on screen when the task after its animation frame runs.
WATCH = """
window.painted = {};
const note = (row) => {
  const key = `${row.dataset.run} ${row.dataset.version}`;
  if (key in window.painted) return;
  window.painted[key] = null;
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { window.painted[key] = Date.now() / 1000; };
    port2.postMessage(null);
  });
};
new MutationObserver(() => document.querySelectorAll("tr[data-run]").forEach(note)).observe(
  document.querySelector("main"),
  { attributes: true, attributeFilter: ["data-version"], childList: true, subtree: true },
);
"""
FEED = """subscription ($tenant: ID!) { operationRuns(tenantId: $tenant) {
  ... on OperationRunChanged { occurredAt run { id version finishedAt } } } }"""


async def follow(user: User, committed: Moments, arrived: Moments) -> None:
    """Sync repeatedly; record when each event was committed and when a plain client got it."""
    async with user.subscribe(SSE, FEED, {"tenant": user.tenant_id}) as stream:
        await stream.next()
        while len(committed) < EVENTS:
            await user.start(SYNC, SCOPE)
            run = {"finishedAt": None}
            while run["finishedAt"] is None:
                event = await stream.next()
                run = event["run"]
                key = (run["id"], run["version"])
                arrived[key] = time()
                committed[key] = datetime.fromisoformat(event["occurredAt"]).timestamp()


async def painted(page: Page, keys: Iterable[tuple[str, int]]) -> Moments:
    """Return when the rows were painted; of versions that shared a frame, only the last."""
    by_row = await page.evaluate("window.painted")
    moments = {key: by_row.get(f"{key[0]} {key[1]}") for key in keys}
    return {key: moment for key, moment in moments.items() if moment is not None}


def row(name: str, seconds: list[float]) -> str:
    """Return a line of the report; times in milliseconds."""
    milliseconds = sorted(1000 * second for second in seconds)
    median, p99 = statistics.median(milliseconds), statistics.quantiles(milliseconds, n=100)[98]
    return f"{name:<28} {len(seconds):>5} {median:>8.1f} {p99:>8.1f} {milliseconds[-1]:>8.1f}"


async def main(address: str) -> None:
    """Watch the list in a browser while runs are executed, and print the delays."""
    base, (token, *_) = await base_and_tokens(address)
    committed: Moments = {}
    arrived: Moments = {}
    async with (
        User.signed_in(base, token) as user,
        chromium() as browser,
        Visitor.comes(browser, base) as visitor,
    ):
        slug = (await user.data(TENANTS))["viewer"]["memberships"][0]["tenant"]["slug"]
        page = await visitor.open(f"/t/{slug}/operations", token)
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        await page.wait_for_load_state("networkidle")
        await page.evaluate(WATCH)
        await follow(user, committed, arrived)
        last = max(committed, key=lambda key: committed[key])
        await expect(
            page.locator(f'[data-run="{last[0]}"][data-version="{last[1]}"]')
        ).to_be_visible()
        await page.evaluate("new Promise(requestAnimationFrame)")
        await page.evaluate("new Promise(requestAnimationFrame)")
        paint_times = await painted(page, committed)

    to_client = [arrived[key] - committed[key] for key in paint_times]
    to_paint = [paint_times[key] - committed[key] for key in paint_times]
    click.echo(f"{'from the commit, in ms':<28} {'n':>5} {'median':>8} {'p99':>8} {'max':>8}")
    click.echo(row("to a plain client (SSE)", to_client))
    click.echo(row("to the painted row", to_paint))
    ratio = statistics.median(to_paint) / statistics.median(to_client)
    click.echo(
        f"\nratio of the medians: {ratio:.1f}; {len(committed) - len(paint_times)} of "
        f"{len(committed)} versions shared a frame with a later one"
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
