"""The double runs as a process for `opsrun dev --graph-demo`."""

import asyncio
import json
import signal
import ssl
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.acts import until
from tests.graph.client import read_all
from tests.graph.test_policies import catalog_policy
from tests.installing import ROOT

SECONDS = 20


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[tuple[Process, dict[str, Any]]]:
    """Start the program; return what it says in its first line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.graph", *arguments, cwd=ROOT, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(catalog_policy("a", 1)))
    async with running("--port", "0", "--exports", str(tmp_path)) as (process, said):
        trust = ssl.create_default_context(cafile=said["ca_file"])
        async with httpx.AsyncClient(verify=trust, base_url=said["graph"]) as http:
            form = {
                "grant_type": "client_credentials",
                "client_id": said["client"],
                "client_secret": said["secret"],
                "scope": f"{said['graph']}/.default",
            }
            url = f"{said['authority']}/{said['tenant']}/oauth2/v2.0/token"
            token = (await http.post(url, data=form)).json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            (policy,) = await read_all(http, "/beta/deviceManagement/configurationPolicies")
            assert policy["name"] == "Policy a"
            assert len(await read_all(http, "/v1.0/groups")) == 40
            process.send_signal(signal.SIGHUP)

            async def has_changed() -> bool:
                listed = await read_all(http, "/beta/deviceManagement/configurationPolicies")
                return str(listed[0].get("description")).startswith("Changed ")

            await until(has_changed)
        process.terminate()
        assert await process.wait() == 0
    assert not await asyncio.to_thread(Path(said["ca_file"]).exists)


async def test_it_serves_samples_without_exports() -> None:
    async with running("--samples", "30", "--groups", "3") as (process, said):
        assert said["graph"].startswith("https://127.0.0.1:")
        process.terminate()
        assert await process.wait() == 0


async def test_a_file_that_is_not_an_export_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"id": "x"}')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.graph", "--exports", str(tmp_path), cwd=ROOT, stderr=PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 2
    assert f"{tmp_path / 'other.json'} belongs to no collection".encode() in errors
