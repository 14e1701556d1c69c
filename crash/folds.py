"""The state that subscribers build from messages, and its differences from the database."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, ClassVar
from uuid import UUID

from crash.members import Member
from crash.witness import Promise, Witness
from gql.ids import GlobalId

_TERMINAL = {"completed", "completed_with_errors", "failed", "aborted"}
_SNAPSHOT_RUNS = 50
_RUN = "id version status counts { total succeeded failed skipped } context url"

# A run's version, status, total, succeeded, failed and skipped.
State = tuple[int, str, int | None, int, int, int]

_columns = itemgetter("version", "status", "total", "succeeded", "failed", "skipped")


def state_of(row: Mapping[str, Any]) -> State:
    """Return the part of a run's row that subscribers keep."""
    state: State = _columns(row)
    return state


def _state(run: Any) -> State:
    return state_of({**run, **run["counts"]})


def _key(run: Any) -> UUID:
    return GlobalId.decode(run["id"]).uuid_key()


@dataclass(slots=True)
class Subscriber(ABC):
    """A subscription, and the state that its messages make. It resumes at the cursor."""

    query: ClassVar[str]

    member: Member
    witness: Witness
    name: str
    cursor: str | None = field(default=None, init=False)

    @property
    def variables(self) -> dict[str, Any]:
        """The variables to subscribe or resume with."""
        return {"tenant": self.member.global_id, "after": self.cursor}

    def take(self, message: Any) -> None:
        """Apply a message."""
        self._apply(message)
        self.cursor = message["cursor"]

    @abstractmethod
    def _apply(self, message: Any) -> None:
        """Change the state."""

    def _violation(self, evidence: str) -> None:
        self.witness.violation(
            Promise.FOLDED, f"{self.name} of {self.member.slug} received {evidence}"
        )


@dataclass(slots=True)
class Fold(Subscriber):
    """A tenant's runs, from the list's subscription. `is_whole`: there are no other runs."""

    query = f"""subscription ($tenant: ID!, $after: String) {{
      operationRuns(tenantId: $tenant, after: $after) {{
        __typename
        ... on OperationRunChanged {{ change cursor run {{ {_RUN} }} }}
        ... on FeedReset {{ reason cursor runs {{ {_RUN} }} }}
        ... on FeedHeartbeat {{ cursor }}
      }}
    }}"""

    runs: dict[UUID, State] = field(default_factory=dict)
    is_whole: bool = False

    def _apply(self, message: Any) -> None:
        match message["__typename"]:
            case "FeedReset":
                if self.cursor is not None:
                    self._violation(f"a reset, {message['reason']}, although nothing was purged")
                self.runs = {_key(run): _state(run) for run in message["runs"]}
                self.is_whole = len(self.runs) < _SNAPSHOT_RUNS
            case "OperationRunChanged":
                self._change(_key(message["run"]), _state(message["run"]))

    def _change(self, key: UUID, state: State) -> None:
        known = self.runs.get(key)
        if known is not None or self.is_whole:
            expected = known[0] + 1 if known else 1
            if state[0] != expected:
                self._violation(f"run {key}: version {state[0]} instead of {expected}")
        self.runs[key] = state

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


@dataclass(slots=True)
class Watch(Subscriber):
    """One run, from that run's subscription."""

    query = f"""subscription ($run: ID!, $after: String) {{
      operationRun(id: $run, after: $after) {{ kind cursor run {{ {_RUN} }} }}
    }}"""

    run_id: UUID
    state: State | None = None

    @property
    def variables(self) -> dict[str, Any]:
        """The variables to subscribe or resume with."""
        run = GlobalId("OperationRun", self.member.tenant_id, self.run_id.hex).encode()
        return {"run": run, "after": self.cursor}

    def _apply(self, message: Any) -> None:
        state = _state(message["run"])
        if self.state is not None:
            expected = self.state[0] + (1 if message["kind"] else 0)
            if state[0] != expected and (message["kind"] or state[0] < expected):
                self._violation(f"version {state[0]} instead of {expected}")
        elif message["kind"]:
            self._violation("an event before a snapshot")
        self.state = state

    def complete(self) -> None:
        """Check that the run's end arrived before the completion."""
        if self.state is None or self.state[1] not in _TERMINAL:
            self._violation(f"a completion at {self.state}")
        self.witness.counts["runs followed to the end"] += 1


@dataclass(slots=True)
class Notifications(Subscriber):
    """The notifications of a user, in order."""

    query = """subscription ($tenant: ID!, $after: String) {
      notifications(tenantId: $tenant, after: $after) { outcome cursor run { id } }
    }"""

    received: dict[tuple[UUID, str], None] = field(default_factory=dict)

    def _apply(self, message: Any) -> None:
        key = (_key(message["run"]), message["outcome"])
        if key in self.received:
            self._violation(f"the notification {key} twice")
        self.received[key] = None

    def missing(self, written: list[tuple[UUID, str]]) -> list[str]:
        """Return the notifications that were written since the first one, but not received."""
        first = next(iter(self.received), None)
        since = written[written.index(first) :] if first else []
        name = self.member.access.user_name
        return [f"{name} was not notified of {key}" for key in since if key not in self.received]
