"""The active runs of a tenant, and how runs look in a terminal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from opsrun_client.enums import FeedChange, StatusBucket
from opsrun_client.feed import FeedEventFeedReset as Reset
from opsrun_client.feed import FeedEventOperationRunChanged as Changed
from opsrun_client.fragments import RunState
from stream import Cut, Event

ACTIVE = {StatusBucket.QUEUED, StatusBucket.RUNNING}
STYLES = {
    StatusBucket.QUEUED: "dim",
    StatusBucket.RUNNING: "cyan",
    StatusBucket.SUCCEEDED: "green",
    StatusBucket.PARTIALLY_SUCCEEDED: "yellow",
    StatusBucket.FAILED: "red",
}
BAR_WIDTH = 30


class Board:
    """A bar for each active run; rich draws its current state."""

    def __init__(self, slug: str) -> None:
        self.as_of: datetime | None = None
        self.state = "connecting"
        self._slug = slug
        # Each run with its time of arrival, to count the seconds until its next event.
        self._active: dict[str, tuple[RunState, float]] = {}

    def take(self, news: Event | Cut) -> list[RunState]:
        """Apply an event of the feed; return the runs that changed, oldest first."""
        if isinstance(news, Cut):
            self.state = f"disconnected ({news.reason}), reconnecting in {news.pause:.1f} s"
            return []
        changed: list[RunState] = []
        if isinstance(news, Reset):
            changed = [run for run in reversed(news.runs) if self._is_new(run)]
            self._active = _arrivals(news.runs)
        elif isinstance(news, Changed):
            changed = [news.run]
            others = {key: one for key, one in self._active.items() if key != news.run.id}
            self._active = others | _arrivals([] if news.change is FeedChange.LEFT else changed)
        self.state = "live"
        self.as_of = news.occurred_at
        return changed

    def _is_new(self, run: RunState) -> bool:
        """Return whether a run of a snapshot is new or has changed since we last saw it."""
        if run.id in self._active:
            return run.version > self._active[run.id][0].version
        return is_active(run) or (self.as_of is not None and run.created_at > self.as_of)

    @property
    def title(self) -> Text:
        """The number of active runs, and the state of the connection."""
        text = Text(f"{len(self._active)} active in {self._slug}, ", "bold")
        return text.append(self.state, "green" if self.state == "live" else "red")

    def __rich__(self) -> Group:
        """Draw the bars, running ones first."""
        active = sorted(self._active.values(), key=lambda one: (_waits(one[0]), one[0].created_at))
        table = Table.grid(padding=(0, 2))
        for run, arrived_at in active:
            counts = run.counts
            bar = ProgressBar(counts.total or None, counts.processed, BAR_WIDTH)
            bucket = Text(run.status_bucket.value, STYLES[run.status_bucket])
            table.add_row(
                run.run_type, bucket, bar, items(run), _elapsed(run, monotonic() - arrived_at)
            )
        return Group(self.title, table)


def is_active(run: RunState) -> bool:
    """Return whether the run has not ended."""
    return run.status_bucket in ACTIVE


def items(run: RunState) -> str:
    """Return `20 of 37 done, 1 failed`, and at the end `36 of 37 succeeded, 1 failed`.

    For a drift run, `compared` replaces `succeeded`: it can find drift in every policy.
    """
    counts = run.counts
    of = "" if counts.total is None else f" of {counts.total}"
    failed = f", {counts.failed} failed" if counts.failed else ""
    if is_active(run):
        return f"{counts.processed}{of} done{failed}"
    if run.run_type == "drift.generate":
        return f"{counts.processed}{of} compared{failed}"
    return f"{counts.succeeded}{of} succeeded{failed}"


def line(run: RunState) -> Text:
    """Return a run's state and, once it ended, its duration and most frequent failure."""
    text = Text(f"#{run.version:<3} {run.run_type}  ")
    text.append(f"{run.status_bucket.value:<19}", STYLES[run.status_bucket])
    text.append(f"  {items(run)}")
    if not is_active(run):
        text.append(f"  {_elapsed(run)}", "dim")
        groups = run.failure_groups
        if groups:
            text.append(f"  {groups[0].count} × {' '.join(groups[0].example_message.split())}")
        if len(groups) > 1:
            text.append(f" Other reasons: {len(groups) - 1}.", "dim")
    return text


def _arrivals(runs: Sequence[RunState]) -> dict[str, tuple[RunState, float]]:
    return {run.id: (run, monotonic()) for run in runs if is_active(run)}


def _waits(run: RunState) -> bool:
    return run.status_bucket is StatusBucket.QUEUED


def _elapsed(run: RunState, since: float = 0.0) -> str:
    """Return how long the run has been running or, before that, waiting.

    The server measured the time until its last event; we add the `since` seconds after it.
    """
    spent = run.queued_seconds if run.running_seconds is None else run.running_seconds
    return str(timedelta(seconds=int(spent + since)))
