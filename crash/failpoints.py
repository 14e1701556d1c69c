"""Named places in the product where a test can kill, pause or fail a process.

The product has no calls for it. `install` wraps the places from outside, which only
the test's process entry does. An order is a file that the harness leaves in a folder;
the first process of the kind that comes to the place takes it, and carries it out.

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

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.runs.execution import RunExecution
from domain.tenancy.transactions import DatabaseUnavailableError, Transactions
from workers.broker import RunBroker

logger = logging.getLogger(__name__)

_CALLS = (
    (RunBroker, "kick"),
    (RunBroker, "_ack"),
    (RunExecution, "_end"),
    (RunExecution, "heartbeat"),
)
_PRODUCT = ("domain.", "workers.", "gql.", "opsrun.")


class Action(StrEnum):
    """What may happen at a failpoint."""

    KILL = "kill"
    PAUSE = "pause"
    STOP = "stop"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Order:
    """Do `action` when the place is passed for the time after `skip` others.

    `point` is a name or a pattern of names; `seconds` is how long a pause lasts.
    """

    point: str
    action: Action
    seconds: float = 0.0
    skip: int = 0


class Orders:
    """The folder through which a harness tells one kind of process what to do."""

    def __init__(self, folder: Path, role: str) -> None:
        self._folder = folder
        self._file = folder / f"{role}.json"
        self._fired = folder / f"{role}.fired"
        self._seen = 0
        self._order: Order | None = None
        self._passed = 0
        self._is_up = False

    def give(self, order: Order) -> None:
        """Leave an order; it replaces one that was not carried out."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(order)))
        fresh.rename(self._file)

    def withdraw(self) -> None:
        """Take back what was not carried out."""
        self._file.unlink(missing_ok=True)

    def fired(self) -> list[tuple[str, int]]:
        """Return what was carried out: the order's point and the process's id."""
        if not self._fired.exists():
            return []
        lines = [line.rsplit(maxsplit=1) for line in self._fired.read_text().splitlines()]
        return [(point, int(pid)) for point, pid in lines]

    def begin(self, pid: int) -> None:
        """Forget whoever had this process id before."""
        (self._folder / f"{pid}.up").unlink(missing_ok=True)

    def is_up(self, pid: int) -> bool:
        """Tell whether a process has come as far as its first transaction."""
        return (self._folder / f"{pid}.up").exists()

    def hit(self, point: str) -> None:
        """Carry the order out if it is for this place and nobody was faster."""
        if not self._is_up:
            (self._folder / f"{os.getpid()}.up").touch()
            self._is_up = True
        order = self._due(point)
        if order is None:
            return
        try:
            self._file.unlink()
        except FileNotFoundError:
            return
        with self._fired.open("a") as fired:
            fired.write(f"{point} {os.getpid()}\n")
        logger.warning("Failpoint %s: %s", point, order.action)
        match order.action:
            case Action.KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            case Action.STOP:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Action.PAUSE:
                time.sleep(order.seconds)
            case Action.RAISE:
                raise DatabaseUnavailableError(f"failpoint {point}")

    def _due(self, point: str) -> Order | None:
        try:
            seen = self._file.stat().st_mtime_ns
            if seen != self._seen:
                given = json.loads(self._file.read_text())
                self._order = Order(**{**given, "action": Action(given["action"])})
                self._seen, self._passed = seen, 0
        except FileNotFoundError:
            return None
        if self._order is None or not fnmatch(point, self._order.point):
            return None
        self._passed += 1
        return self._order if self._passed > self._order.skip else None


def install(hit: Callable[[str], None]) -> None:
    """Wrap the places of this process."""
    _wrap_transactions(hit)
    for owner, name in _CALLS:
        _wrap_call(hit, owner, name)


def _wrap_transactions(hit: Callable[[str], None]) -> None:
    original = Transactions.open

    @asynccontextmanager
    async def open_(
        self: Transactions,
        tenant_id: UUID | None,
        user_id: UUID | None = None,
        *,
        snapshot: bool = False,
    ) -> AsyncIterator[AsyncConnection]:
        place = _use_case()
        async with original(self, tenant_id, user_id, snapshot=snapshot) as connection:
            yield connection
            hit(f"{place}.before_commit")
        hit(f"{place}.after_commit")

    Transactions.open = open_  # type: ignore[method-assign]


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
