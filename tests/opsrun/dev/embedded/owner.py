"""A process that owns embedded servers, for tests that end it in every way.

Run as `python -m tests.opsrun.dev.embedded.owner FOLDER`; prints the servers' URLs as JSON.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

from opsrun.dev.embedded import embedded_servers
from opsrun.dev.embedded.child import first_exit


async def own(folder: Path) -> None:
    async with embedded_servers(folder, durable=False) as servers:
        line = json.dumps([servers.postgres_url, servers.redis_url])
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        await first_exit(servers.children)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(own(Path(sys.argv[1])))
