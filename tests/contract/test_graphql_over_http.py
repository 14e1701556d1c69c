"""The API passes the public audits of GraphQL over HTTP without an error, warning or notice."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from tests.nodejs import needs_node
from tests.opsrun.api.test_serving import api
from tests.opsrun.conftest import Installation, installation, installed, place
from tests.world import World

__all__ = ["installation", "installed", "place"]

pytestmark = needs_node


async def test_the_api_passes_the_public_audits(
    installation: Installation, place: World, tools: Path
) -> None:
    async with api(installation) as (command, base):
        audit = await asyncio.create_subprocess_exec(
            *("node", "audit.js"),
            cwd=tools,
            env={**os.environ, "OPSRUN_URL": f"{base}/graphql", "OPSRUN_TOKEN": place.token()},
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, _ = await audit.communicate()
        assert audit.returncode == 0
        assert "Traceback" not in command.output
    audits = json.loads(output)
    print(f"GraphQL over HTTP: {dict(Counter(each['status'] for each in audits))}")  # noqa: T201
    assert [each for each in audits if each["status"] != "ok"] == []
    assert len(audits) > 60
