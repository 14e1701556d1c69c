"""Named places in the product where a test can kill, pause, stop or fail a process.

The product does not call them: `install` wraps its functions, in `crash.process` only. The harness
sets a trigger as a file in a folder. The first process of the kind that reaches the place removes
the file, and fires.

Names are `RunStarter.start.before_commit` and `….after_commit` for every use case that
opens a transaction, and `….before` and `….after` for the calls in `_CALLS`.
"""

import json
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatch
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.runs.execution import RunExecution
from domain.tenancy.session import DatabaseUnavailableError, Driver
from domain.tenancy.transactions import Transactions
from workers.broker import RunBroker

logger = logging.getLogger(__name__)

_CALLS = (
    (RunBroker, "kick_all"),
    (RunBroker, "_ack"),
    (RunExecution, "_end"),
    (RunExecution, "heartbeat"),
)
_PRODUCT = ("domain.", "workers.", "gql.", "opsrun.")


class Action(StrEnum):
    """What a failpoint does to its process."""

    KILL = "kill"
    PAUSE = "pause"
    STOP = "stop"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Do `action` at `point`, after `skip` other passes.

    `point` is a name, or a pattern as in `fnmatch`. `seconds` is the length of a pause.
    """

    point: str
    action: Action
    seconds: float = 0.0
    skip: int = 0


class Failpoints:
    """The failpoints of one kind of process, controlled by files in a folder.

    The harness calls all methods but `hit`, which the processes call.
    """

    def __init__(self, folder: Path, role: str) -> None:
        self._folder = folder
        self._file = folder / f"{role}.json"
        self._fired = folder / f"{role}.fired"
        self._modified_ns = 0
        self._trigger: Trigger | None = None
        self._passed = 0
        self._has_started = False

    def set(self, trigger: Trigger) -> None:
        """Set the trigger; it replaces one that has not fired."""
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(asdict(trigger)))
        new.rename(self._file)

    def clear(self) -> None:
        """Remove the trigger if it has not fired."""
        self._file.unlink(missing_ok=True)

    def fired(self) -> list[tuple[str, int]]:
        """Return the points that fired, with the process ids."""
        if not self._fired.exists():
            return []
        lines = [line.rsplit(maxsplit=1) for line in self._fired.read_text().splitlines()]
        return [(point, int(pid)) for point, pid in lines]

    def forget(self, pid: int) -> None:
        """Forget an earlier process with this id."""
        self._marker(pid).unlink(missing_ok=True)

    def has_started(self, pid: int) -> bool:
        """Return whether the process has reached its first transaction."""
        return self._marker(pid).exists()

    def hit(self, point: str) -> None:
        """Fire if the trigger is due here, and no other process was faster."""
        if not self._has_started:
            self._marker(os.getpid()).touch()
            self._has_started = True
        trigger = self._due(point)
        if trigger is None:
            return
        try:
            self._file.unlink()
        except FileNotFoundError:
            return
        with self._fired.open("a") as fired:
            fired.write(f"{point} {os.getpid()}\n")
        logger.warning("Failpoint %s: %s", point, trigger.action)
        match trigger.action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.PAUSE:
                time.sleep(trigger.seconds)
            case Action.RAISE:
                raise DatabaseUnavailableError(f"failpoint {point}")

    def _marker(self, pid: int) -> Path:
        return self._folder / f"{pid}.up"

    def _due(self, point: str) -> Trigger | None:
        try:
            modified_ns = self._file.stat().st_mtime_ns
            if modified_ns != self._modified_ns:
                values = json.loads(self._file.read_text())
                self._trigger = Trigger(**{**values, "action": Action(values["action"])})
                self._modified_ns, self._passed = modified_ns, 0
        except FileNotFoundError:
            return None
        if self._trigger is None or not fnmatch(point, self._trigger.point):
            return None
        self._passed += 1
        return self._trigger if self._passed > self._trigger.skip else None


def install(hit: Callable[[str], None]) -> None:
    """Wrap the functions of this process that have failpoints."""
    _wrap_transactions(hit)
    for owner, name in _CALLS:
        _wrap_call(hit, owner, name)


def _wrap_transactions(hit: Callable[[str], None]) -> None:
    original, write = Transactions._transaction, Transactions.write

    @asynccontextmanager
    async def transaction(
        self: Transactions,
        tenant_id: UUID | None,
        user_id: UUID | None,
        *,
        snapshot: bool = False,
    ) -> AsyncIterator[Driver]:
        place = _use_case()
        async with original(self, tenant_id, user_id, snapshot=snapshot) as driver:
            yield driver
            hit(f"{place}.before_commit")
        hit(f"{place}.after_commit")

    async def change(self: Transactions, *arguments: Any, **named: Any) -> Any:
        place = _use_case()
        hit(f"{place}.before_commit")
        changed = await write(self, *arguments, **named)
        hit(f"{place}.after_commit")
        return changed

    Transactions._transaction = transaction  # type: ignore[method-assign]
    Transactions.write = change  # type: ignore[method-assign]


def _use_case() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module.startswith(_PRODUCT) and module != Transactions.__module__:
            return frame.f_code.co_qualname
    return "unknown"


def _wrap_call(hit: Callable[[str], None], owner: type, name: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    async def call(*arguments: Any, **named: Any) -> Any:
        hit(f"{owner.__name__}.{name}.before")
        result = await original(*arguments, **named)
        hit(f"{owner.__name__}.{name}.after")
        return result

    setattr(owner, name, call)
