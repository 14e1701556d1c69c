"""The state that subscribers build from messages, and its differences from the database."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crash.members import Member
from crash.witness import Promise, Witness
from gql.ids import GlobalId

_TERMINAL = {"completed", "completed_with_errors", "failed", "aborted"}
_SNAPSHOT_RUNS = 50

State = tuple[int, str, int | None, int, int, int]


def state_of(run: Any) -> State:
    """Return the part of a run that a fold keeps."""
    counts = run["counts"]
    return (
        run["version"],
        run["status"],
        counts["total"],
        counts["succeeded"],
        counts["failed"],
        counts["skipped"],
    )


@dataclass(slots=True)
class Fold:
    """A tenant's runs, as a subscriber of the list knows them. `is_whole`: it knows all of them."""

    member: Member
    witness: Witness
    name: str
    runs: dict[UUID, State] = field(default_factory=dict)
    cursor: str | None = None
    is_whole: bool = False

    def take(self, event: Any) -> None:
        """Apply a message."""
        match event["__typename"]:
            case "FeedReset":
                if self.cursor is not None:
                    self._violation(f"a reset, {event['reason']}, although nothing was purged")
                self.runs = {_key(run): state_of(run) for run in event["runs"]}
                self.is_whole = len(self.runs) < _SNAPSHOT_RUNS
            case "OperationRunChanged":
                self._change(_key(event["run"]), state_of(event["run"]))
        self.cursor = event["cursor"]

    def _change(self, key: UUID, state: State) -> None:
        known = self.runs.get(key)
        if known is not None or self.is_whole:
            expected = known[0] + 1 if known else 1
            if state[0] != expected:
                self._violation(f"run {key}: version {state[0]} instead of {expected}")
        self.runs[key] = state

    def _violation(self, what: str) -> None:
        self.witness.violation(Promise.FOLDED, f"{self.name} of {self.member.slug} received {what}")

    def differences(self, ledger: dict[UUID, State]) -> list[str]:
        """Return the differences from the database."""
        if not self.is_whole:
            ledger = {key: state for key, state in ledger.items() if key in self.runs}
        return [
            f"{self.name} of {self.member.slug} has run {key} as {self.runs.get(key)},"
            f" the database as {ledger.get(key)}"
            for key in ledger.keys() | self.runs.keys()
            if ledger.get(key) != self.runs.get(key)
        ]


def _key(run: Any) -> UUID:
    return GlobalId.decode(run["id"]).uuid_key()


@dataclass(slots=True)
class Watch:
    """One run, as a subscriber of that run knows it."""

    member: Member
    witness: Witness
    run_id: UUID
    state: State | None = None
    cursor: str | None = None

    def take(self, event: Any) -> None:
        """Apply a message."""
        state = state_of(event["run"])
        if self.state is not None:
            expected = self.state[0] + (1 if event["kind"] else 0)
            if state[0] != expected and (event["kind"] or state[0] < expected):
                self._violation(f"version {state[0]} instead of {expected}")
        elif event["kind"]:
            self._violation("an event came before a snapshot")
        self.state = state
        self.cursor = event["cursor"]

    def complete(self) -> None:
        """Check that the run's end arrived before the completion."""
        if self.state is None or self.state[1] not in _TERMINAL:
            self._violation(f"completed at {self.state}")
        self.witness.counts["runs followed to the end"] += 1

    def _violation(self, what: str) -> None:
        where = f"follower of run {self.run_id} of {self.member.slug}"
        self.witness.violation(Promise.FOLDED, f"{where}: {what}")


@dataclass(slots=True)
class Notifications:
    """The notifications that a user received, in order."""

    member: Member
    witness: Witness
    received: dict[tuple[UUID, str], None] = field(default_factory=dict)
    cursor: str | None = None

    def take(self, notification: Any) -> None:
        """Add a notification, which must be new."""
        key = (_key(notification["run"]), notification["outcome"])
        if key in self.received:
            name = self.member.access.user_name
            self.witness.violation(Promise.FOLDED, f"{name} was notified twice of {key}")
        self.received[key] = None
        self.cursor = notification["cursor"]

    def missing(self, written: list[tuple[UUID, str]]) -> list[str]:
        """Return the notifications that were written since the first one, but not received."""
        first = next(iter(self.received), None)
        since = written[written.index(first) :] if first else []
        name = self.member.access.user_name
        return [f"{name} was not notified of {key}" for key in since if key not in self.received]
