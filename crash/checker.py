"""Check the promises against the rows, the sink's log and the processes' logs.

The tables of legal transitions are repeated here: a checker that imported the product's tables
would agree with any bug in them.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from crash.ledger import (
    EVENTS,
    FAILURES,
    FEEDS,
    ITEMS,
    NOTIFICATIONS,
    RUN_COUNTS,
    RUNS,
    Ledger,
)
from crash.producer import ITEMIZED
from crash.sink import APPLIED
from crash.witness import Promise, Witness

_STEPS = {
    ("pending", "running"),
    ("pending", "aborted"),
    ("running", "running"),
    ("running", "pending"),
    ("running", "completed"),
    ("running", "completed_with_errors"),
    ("running", "failed"),
}
_TERMINAL = {"completed", "completed_with_errors", "failed", "aborted"}
_COMPLETED = {"completed", "completed_with_errors"}
_OUTCOMES = ("succeeded", "failed", "skipped")

Key = tuple[UUID, UUID]


async def check_ledger(ledger: Ledger, witness: Witness) -> None:
    """Check the promises that concern rows only."""
    runs = {(run["tenant_id"], run["id"]): run for run in await ledger.rows(RUNS)}
    events: dict[Key, list[Any]] = defaultdict(list)
    by_tenant: dict[UUID, list[Any]] = defaultdict(list)
    for event in await ledger.rows(EVENTS):
        events[event["tenant_id"], event["run_id"]].append(event)
        by_tenant[event["tenant_id"]].append(event)
    witness.counts["runs"] = len(runs)
    witness.counts["events"] = sum(map(len, by_tenant.values()))
    _one_active(runs, by_tenant, witness)
    _starts_end(runs, witness)
    _facets(runs, await ledger.rows(RUN_COUNTS), witness)
    for key, run in runs.items():
        _legal_steps(run, events[key], witness)
    for feed in await ledger.rows(FEEDS):
        _no_gap(feed, [event["seq"] for event in by_tenant[feed["tenant_id"]]], witness)
    _one_notification(runs, await ledger.rows(NOTIFICATIONS), witness)
    items = await ledger.rows(ITEMS)
    _counts(runs, items, witness)
    _fenced(events, items, "recorded_at", witness)
    failures = await ledger.rows(FAILURES)
    _fenced(events, failures, "occurred_at", witness)
    _not_internal(runs, failures, witness)
    if entries := await ledger.outbox():
        witness.violation(Promise.OUTBOX, f"{entries} outbox entries are left")


def _one_active(
    runs: Mapping[Key, Any], by_tenant: Mapping[UUID, Sequence[Any]], witness: Witness
) -> None:
    for tenant_id, events in by_tenant.items():
        active: dict[tuple[str, bytes], UUID] = {}
        for event in events:
            run = runs[tenant_id, event["run_id"]]
            key = (run["run_type"], run["idempotency_key"])
            holder = active.setdefault(key, run["id"])
            if holder != run["id"]:
                witness.violation(
                    Promise.ONE_ACTIVE, f"run {run['id']} was active beside {holder}: {event}"
                )
            if event["status"] in _TERMINAL:
                active.pop(key, None)


def _starts_end(runs: Mapping[Key, Any], witness: Witness) -> None:
    for start in witness.acknowledged:
        if (start.tenant_id, start.run_id) not in runs:
            witness.violation(Promise.STARTS_END, f"{start} was acknowledged and does not exist")
    for run in runs.values():
        if run["status"] not in _TERMINAL:
            witness.violation(Promise.STARTS_END, f"the run never ended: {run}")


def _facets(runs: Mapping[Key, Any], counts: Iterable[Any], witness: Witness) -> None:
    expected: Counter[tuple[Any, ...]] = Counter()
    names: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for run in runs.values():
        if run["status"] not in _TERMINAL:
            continue
        type_and_bucket, initiator = (run["run_type"], run["status_bucket"]), run["initiator_id"]
        for hours in (1, 6, 24, 168):
            seconds = hours * 3600
            begin = int(run["created_at"].timestamp()) // seconds * seconds
            by_initiator = ("initiator", hours, begin, "", "", initiator)
            by_both = ("both", hours, begin, *type_and_bucket, initiator)
            keys = [("run_type", hours, begin, *type_and_bucket, UUID(int=0)), by_initiator]
            for key in [*keys, by_both] if hours > 1 else keys:
                expected[run["tenant_id"], *key] += 1
            for key in (by_initiator, by_both):
                names[run["tenant_id"], *key].add(run["initiator_name"])
    counted = {
        (
            *(row[name] for name in ("tenant_id", "grouped_by", "hours")),
            int(row["begins_at"].timestamp()),
            *(row[name] for name in ("run_type", "status_bucket", "initiator_id")),
        ): row
        for row in counts
    }
    for key in expected.keys() | counted.keys():
        row = counted.get(key)
        if row is None or row["runs"] != expected[key]:
            witness.violation(Promise.FACETS, f"{row or key} counts {expected[key]} runs")
        elif row["initiator_name"] is not None and {row["initiator_name"]} != names[key]:
            witness.violation(Promise.FACETS, f"{row} counts runs of {names[key]}")


def _legal_steps(run: Any, events: Sequence[Any], witness: Witness) -> None:
    ordered = sorted(events, key=lambda event: event["version"])
    statuses = [event["status"] for event in ordered]
    illegal = [step for step in pairwise(statuses) if step not in _STEPS]
    ends = sum(status in _TERMINAL for status in statuses)
    if illegal or statuses[:1] != ["pending"] or ends != (run["status"] in _TERMINAL):
        witness.violation(Promise.LEGAL_STEPS, f"run {run['id']} had the statuses {statuses}")
    if statuses[-1:] != [run["status"]]:
        witness.violation(Promise.LEGAL_STEPS, f"{run} ended its timeline at {statuses[-1:]}")
    versions = [event["version"] for event in ordered]
    if versions != list(range(1, run["version"] + 1)):
        witness.violation(Promise.NO_GAP, f"{run} has events with the versions {versions}")
    if [event["version"] for event in events] != versions:
        witness.violation(Promise.NO_GAP, f"{run}: the feed has its versions in another order")


def _no_gap(feed: Any, numbers: Sequence[int], witness: Witness) -> None:
    missing = set(range(1, feed["seq"] + 1)) - set(numbers)
    beyond = [number for number in numbers if number > feed["seq"]]
    if missing or beyond:
        witness.violation(
            Promise.NO_GAP,
            f"{feed} lacks {sorted(missing)[:10]} and has {beyond[:10]} too many",
        )


def _one_notification(
    runs: Mapping[Key, Any], notifications: Iterable[Any], witness: Witness
) -> None:
    counts: dict[Key, Counter[tuple[UUID, str]]] = defaultdict(Counter)
    for row in notifications:
        counts[row["tenant_id"], row["run_id"]][row["recipient_id"], row["outcome"]] += 1
    for key, run in runs.items():
        outcomes = {"QUEUED"}
        if run["status"] in _TERMINAL:
            outcomes.add(run["status_bucket"])
        if counts[key] != Counter((run["initiator_id"], outcome) for outcome in outcomes):
            witness.violation(
                Promise.ONE_NOTIFICATION, f"{run} has the notifications {counts[key]}"
            )


def _counts(runs: Mapping[Key, Any], items: Iterable[Any], witness: Witness) -> None:
    counted: dict[Key, Counter[str]] = defaultdict(Counter)
    for item in items:
        counted[item["tenant_id"], item["run_id"]][item["outcome"]] += 1
    for key, run in runs.items():
        if any(run[outcome] != counted[key][outcome] for outcome in _OUTCOMES):
            witness.violation(Promise.COUNTS, f"{run} has the items {counted[key]}")
        if run["status"] in _COMPLETED and run["total"] != counted[key].total():
            witness.violation(Promise.COUNTS, f"{run} is complete with {counted[key]}")
    witness.counts["items"] = sum(count.total() for count in counted.values())


def _fenced(
    events: Mapping[Key, Sequence[Any]], rows: Iterable[Any], time: str, witness: Witness
) -> None:
    claimed: dict[tuple[Key, int], datetime] = {
        (key, event["attempt"]): event["occurred_at"]
        for key, run_events in events.items()
        for event in run_events
        if event["kind"] == "RUN_STARTED"
    }
    for row in rows:
        key = (row["tenant_id"], row["run_id"])
        successor = claimed.get((key, row["attempt"] + 1))
        if successor is not None and row[time] > successor:
            witness.violation(
                Promise.FENCED, f"{row} was written after the next attempt began at {successor}"
            )


def _not_internal(runs: Mapping[Key, Any], failures: Iterable[Any], witness: Witness) -> None:
    for failure in failures:
        if failure["item_key"] == "":
            witness.counts[f"runs failed: {failure['reason']}"] += 1
            run = runs[failure["tenant_id"], failure["run_id"]]
            if failure["reason"] == "INTERNAL_ERROR" and not run["breaks"]:
                witness.violation(Promise.NOT_INTERNAL, f"{run} failed: {failure['message']}")


def _applied(log: Path, witness: Witness) -> Counter[tuple[str, str]]:
    applied: Counter[tuple[str, str]] = Counter()
    highest: dict[str, int] = {}
    for entry in map(json.loads, log.read_text().splitlines()):
        if entry["outcome"] == APPLIED:
            applied[entry["run"], entry["item"]] += 1
            if entry["attempt"] < highest.get(entry["run"], 0):
                witness.violation(Promise.ONE_EFFECT, f"an outdated attempt was applied: {entry}")
        highest[entry["run"]] = max(highest.get(entry["run"], 0), entry["attempt"])
    return applied


async def check_effects(ledger: Ledger, log: Path, witness: Witness) -> None:
    """Compare the sink's log with the recorded items."""
    applied = _applied(log, witness)
    runs = {run["id"]: run for run in await ledger.rows(RUNS)}
    recorded = {
        (str(item["run_id"]), item["item_key"])
        for item in await ledger.rows(ITEMS)
        if runs[item["run_id"]]["run_type"] == ITEMIZED
    }
    witness.counts["effects"] = applied.total()
    for effect, times in applied.items():
        if times != 1:
            witness.violation(Promise.ONE_EFFECT, f"{effect} was applied {times} times")
        if effect not in recorded and runs[UUID(effect[0])]["status"] in _COMPLETED:
            witness.violation(Promise.ONE_EFFECT, f"{effect} was applied and not recorded")
    for effect in recorded - applied.keys():
        witness.violation(Promise.ONE_EFFECT, f"{effect} is recorded and was not applied")


async def check_canaries(
    ledger: Ledger, logs: Iterable[Path], secrets: Mapping[str, str], witness: Witness
) -> None:
    """Search every row and every log for secrets."""
    texts = {log: log.read_text(errors="replace") for log in logs}
    witness.counts["log lines"] = sum(text.count("\n") for text in texts.values())
    for name, secret in secrets.items():
        for table in await ledger.rows_with(secret):
            witness.violation(Promise.CANARIES, f"the {name} is in a row of {table}")
        for log, text in texts.items():
            if secret in text:
                line = next(line for line in text.splitlines() if secret in line)
                witness.violation(Promise.CANARIES, f"the {name} is in {log.name}: {line}")
