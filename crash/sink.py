"""An external system that applies one effect per run and item, and refuses outdated attempts.

It is a separate process with its log: `python -m crash.sink PORT LOG`. A request is a JSON line
`[run, item, attempt]`; the response is a line with the outcome.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

APPLIED, ALREADY, REFUSED = "applied", "already", "refused"


@dataclass(slots=True)
class Effects:
    """The applied effects, and the highest attempt of each run."""

    applied: set[tuple[str, str]] = field(default_factory=set)
    attempts: dict[str, int] = field(default_factory=dict)

    def apply(self, run: str, item: str, attempt: int) -> str:
        """Apply the effect unless it is applied already, or a later attempt has sent one."""
        if attempt < self.attempts.get(run, 0):
            return REFUSED
        self.attempts[run] = attempt
        if (run, item) in self.applied:
            return ALREADY
        self.applied.add((run, item))
        return APPLIED


class SinkClient:
    """A producer's connection to the sink."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def apply(self, run: str, item: str, attempt: int) -> str:
        """Request an effect; return the outcome."""
        self._writer.write(json.dumps([run, item, attempt]).encode() + b"\n")
        return (await self._reader.readline()).decode().strip()


async def serve(port: int, log: Path) -> None:
    """Serve until killed."""
    effects = Effects()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            run, item, attempt = json.loads(line)
            outcome = effects.apply(run, item, attempt)
            entry = {"run": run, "item": item, "attempt": attempt, "outcome": outcome}
            os.write(descriptor, json.dumps({**entry, "at": time.time()}).encode() + b"\n")
            writer.write(outcome.encode() + b"\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
