"""What subscribers make of what they are sent, and how that differs from the database."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crash.customers import Customer
from crash.witness import Promise, Witness
from gql.ids import GlobalId

_TERMINAL = {"completed", "completed_with_errors", "failed", "aborted"}
_SNAPSHOT_RUNS = 50

State = tuple[int, str, int | None, int, int, int]


def state_of(run: Any) -> State:
    """Return what a fold keeps of a run."""
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
    """The runs of a tenant as a subscriber of the list holds them."""

    customer: Customer
    witness: Witness
    name: str
    runs: dict[UUID, State] = field(default_factory=dict)
    cursor: str | None = None
    is_whole: bool = False

    def take(self, event: Any) -> None:
        """Fold one message in."""
        match event["__typename"]:
            case "FeedReset":
                if self.cursor is not None:
                    self._wrong(f"a reset, {event['reason']}, although nothing was purged")
                self.runs = {_key(run): state_of(run) for run in event["runs"]}
                self.is_whole = len(self.runs) < _SNAPSHOT_RUNS
            case "OperationRunChanged":
                self._change(_key(event["run"]), state_of(event["run"]))
        self.cursor = event["cursor"]

    def _change(self, key: UUID, state: State) -> None:
        held = self.runs.get(key)
        if held is not None or self.is_whole:
            expected = held[0] + 1 if held else 1
            if state[0] != expected:
                self._wrong(f"run {key}: version {state[0]} came instead of {expected}")
        self.runs[key] = state

    def _wrong(self, what: str) -> None:
        self.witness.violation(Promise.FOLDED, f"{self.name} of {self.customer.slug} met {what}")

    def differences(self, ledger: dict[UUID, State]) -> list[str]:
        """Return where the fold differs from the database."""
        wanted = ledger if self.is_whole else {k: v for k, v in ledger.items() if k in self.runs}
        return [
            f"{self.name} of {self.customer.slug} holds run {key} as {self.runs.get(key)},"
            f" the database as {wanted.get(key)}"
            for key in wanted.keys() | self.runs.keys()
            if wanted.get(key) != self.runs.get(key)
        ]


def _key(run: Any) -> UUID:
    return GlobalId.decode(run["id"]).uuid_key()


@dataclass(slots=True)
class Watch:
    """One run as somebody holds it who watches that alone."""

    customer: Customer
    witness: Witness
    run_id: UUID
    held: State | None = None
    cursor: str | None = None

    def take(self, event: Any) -> None:
        """Fold one message in."""
        state = state_of(event["run"])
        if self.held is not None:
            expected = self.held[0] + (1 if event["kind"] else 0)
            if state[0] != expected and (event["kind"] or state[0] < expected):
                self._wrong(f"version {state[0]} came instead of {expected}")
        elif event["kind"]:
            self._wrong("an event came before a snapshot")
        self.held = state
        self.cursor = event["cursor"]

    def complete(self) -> None:
        """Check that the end was told before the completion."""
        if self.held is None or self.held[1] not in _TERMINAL:
            self._wrong(f"completed at {self.held}")
        self.witness.counts["watched to the end"] += 1

    def _wrong(self, what: str) -> None:
        where = f"watcher of run {self.run_id} of {self.customer.slug}"
        self.witness.violation(Promise.FOLDED, f"{where}: {what}")


@dataclass(slots=True)
class Telling:
    """The notifications as a listening user got them."""

    customer: Customer
    witness: Witness
    told: dict[tuple[UUID, str], None] = field(default_factory=dict)
    cursor: str | None = None

    def take(self, notification: Any) -> None:
        """Note one, which must be new."""
        one = (_key(notification["run"]), notification["outcome"])
        if one in self.told:
            who = self.customer.access.user_name
            self.witness.violation(Promise.FOLDED, f"{who} was notified twice of {one}")
        self.told[one] = None
        self.cursor = notification["cursor"]

    def missing(self, written: list[tuple[UUID, str]]) -> list[str]:
        """Return what the user was not told of all that was written since the first one heard."""
        first = next(iter(self.told), None)
        since = written[written.index(first) :] if first else []
        who = self.customer.access.user_name
        return [f"{who} was not notified of {one}" for one in since if one not in self.told]
