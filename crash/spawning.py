"""Start modules as child processes, and wait until an API is ready."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from opsrun.dev.embedded.child import Child, spawn

_REPOSITORY = Path(__file__).parents[1]


def spawn_module(
    name: str, module: str, *arguments: str, log: Path, env: Mapping[str, str] | None = None
) -> Child:
    """Run `python -m module`; `env` is added to the environment. It is stopped with SIGKILL."""
    return spawn(
        name,
        [sys.executable, "-m", module, *arguments],
        account=None,
        folder=_REPOSITORY,
        log=log,
        stop_signal=signal.SIGKILL,
        env={**os.environ, **(env or {})},
    )


async def wait_until_ready(url: str) -> None:
    """Wait until the API at `url` is ready to serve."""
    async with httpx.AsyncClient(timeout=2.0, trust_env=False, verify=False) as http:  # noqa: S501
        while True:
            try:
                if (await http.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
