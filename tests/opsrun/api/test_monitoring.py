"""Every process serves its metrics and its health, with reasons, on a separate port."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from opsrun.api.monitoring import Monitor, serve_monitoring
from opsrun.postgres.engines import Login
from opsrun.settings import Settings, SettingsError
from tests.acts import export, policy, start_sync
from tests.client import open_http
from tests.opsrun.commands import Command, running, until
from tests.opsrun.conftest import Installation
from tests.valkey import Valkey
from tests.world import World

LOGINS = {"api": Login.API, "worker": Login.WORKER, "maintenance": Login.MAINTENANCE}
CHECKS = {
    "api": {"database", "redis"},
    "worker": {"database", "queue", "listener", "file_threads", "exports"},
    "maintenance": {"database", "queue", "relay", "file_threads", "exports"},
}


class Process:
    """A running process and its monitoring port."""

    def __init__(self, command: Command, http: httpx.AsyncClient) -> None:
        self._command = command
        self._http = http

    async def answer(self, path: str) -> tuple[int, Any]:
        response = await self._http.get(path)
        return response.status_code, response.json()

    async def metrics(self) -> dict[str, float]:
        """Return all samples by name and labels, as Prometheus reads them."""
        response = await self._http.get("/metrics")
        return {
            sample.name
            + "".join(
                f" {key}={value}" for key, value in sorted(sample.labels.items())
            ): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    async def is_ready(self) -> bool:
        return (await self.answer("/readyz"))[0] == 200

    async def stop(self) -> tuple[int, float]:
        return await self._command.stop()


@asynccontextmanager
async def process(installation: Installation, kind: str, **settings: str) -> AsyncIterator[Process]:
    environment = installation.environment(LOGINS[kind], METRICS_PORT="0", PORT="0", **settings)
    async with running(kind, environment=environment, folder=installation.folder) as command:
        line = await command.prints("Serving metrics and health on port")
        (port,) = re.findall(r"port (\d+) of 127\.0\.0\.1", line)
        async with open_http(f"http://127.0.0.1:{port}") as http:
            shows = Process(command, http)
            await until(shows.is_ready)
            yield shows


@pytest.mark.parametrize("kind", [*LOGINS])
async def test_a_process_serves_health_and_metrics_until_it_stops(
    installation: Installation, kind: str
) -> None:
    async with process(installation, kind) as shows:
        assert await shows.answer("/healthz") == (200, {"status": "ok"})
        checks = dict.fromkeys(CHECKS[kind], "ok")
        assert await shows.answer("/readyz") == (200, {"status": "ok", "checks": checks})
        metrics = await shows.metrics()
        assert metrics["process_resident_memory_bytes"] > 1e6
        assert metrics["opsrun_redis_up use=wakeups"] == 1
        code, seconds = await shows.stop()
        assert (code, seconds < 3) == (0, True), f"{code} after {seconds} s"


async def test_a_run_changes_the_metrics_of_its_processes(
    installation: Installation, place: World
) -> None:
    export(place, policy("a"))
    async with (
        process(installation, "worker") as worker,
        process(installation, "maintenance") as maintenance,
    ):
        await start_sync(place)
        ended = "opsrun_runs_ended_total bucket=SUCCEEDED run_type=inventory.sync"

        async def has_ended() -> bool:
            return (await worker.metrics())[ended] == 1

        await until(has_ended)
        relayed = "opsrun_maintenance_step_success_timestamp_seconds step=relay"
        assert (await maintenance.metrics())[relayed] > 0
        assert "opsrun_outbox_entries" in await maintenance.metrics()
        for shows in (worker, maintenance):
            assert str(place.tenant_id) not in str(await shows.metrics())


async def test_without_redis_a_worker_reports_why_it_is_not_ready(
    installation: Installation, valkey: Valkey
) -> None:
    async with process(installation, "worker", REDIS_URL=valkey.url) as worker:
        await valkey.kill()

        async def all_is_noticed() -> bool:
            status, body = await worker.answer("/readyz")
            reasons = [body["checks"][name] for name in ("queue", "listener")]
            assert body["checks"]["database"] == "ok"
            return status == 503 and all("Error" in reason for reason in reasons)

        await until(all_is_noticed)
        _, body = await worker.answer("/readyz")
        assert valkey.url not in str(body)
        assert (await worker.metrics())["opsrun_redis_up use=queue"] == 0
        assert await worker.answer("/healthz") == (200, {"status": "ok"})
        await valkey.start()
        await until(worker.is_ready)
        assert (await worker.metrics())["opsrun_redis_outages_total use=queue"] == 1


async def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        settings = Settings.model_validate({"metrics_port": somebody.getsockname()[1]})
        with pytest.raises(SettingsError, match="OPSRUN_METRICS_PORT: Cannot listen"):
            async with serve_monitoring(settings, Monitor({})):
                pass


async def test_without_a_port_nothing_is_served() -> None:
    async with serve_monitoring(
        Settings.model_validate({"metrics_port": None}), Monitor({})
    ) as port:
        assert port is None


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nowhere"])
async def test_its_responses_forbid_sniffing_and_name_no_software(path: str) -> None:
    settings = Settings.model_validate({"metrics_port": 0})
    async with (
        serve_monitoring(settings, Monitor({})) as port,
        open_http(f"http://127.0.0.1:{port}") as http,
    ):
        answer = await http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_the_host_may_differ_from_the_apis() -> None:
    settings = Settings.model_validate(
        {"host": "192.0.2.1", "metrics_host": "127.0.0.1", "metrics_port": 0}
    )
    async with serve_monitoring(settings, Monitor({})) as port:
        socket.create_connection(("127.0.0.1", port or 0), timeout=5).close()


async def test_its_date_is_fresh_and_it_stops_at_once() -> None:
    settings = Settings.model_validate({"metrics_port": 0})
    async with serve_monitoring(settings, Monitor({})) as port:
        async with open_http(f"http://127.0.0.1:{port}") as http:

            async def date() -> str:
                return str((await http.get("/healthz")).headers["date"])

            first = await date()

            async def is_later() -> bool:
                return await date() != first

            await until(is_later)
        # The server has just woken up, and sleeps for most of a second.
        stopped = monotonic()
    assert monotonic() - stopped < 0.5
