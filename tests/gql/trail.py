"""The audit log for tests, and a point where a test pauses work."""

import asyncio
import logging

import pytest

FIELDS = (
    *("event", "outcome", "actor_id", "actor_kind", "tenant_id", "run_id", "run_type"),
    *("error_code", "transport", "reason", "repeated"),
)


class Trail:
    """The records of the audit log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def records(self) -> list[logging.LogRecord]:
        return [record for record in self._caplog.records if record.name == "audit"]

    @property
    def fields(self) -> list[dict[str, str]]:
        return [
            {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
            for record in self.records
        ]


class Pause:
    """A point where work waits until the test lets it continue."""

    def __init__(self) -> None:
        self.reached, self.over = asyncio.Event(), asyncio.Event()

    async def here(self, *_: object) -> None:
        self.reached.set()
        await self.over.wait()
