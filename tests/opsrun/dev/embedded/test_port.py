import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers, port
from tests.opsrun.dev.embedded.observing import query


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_another_port_is_tried_if_the_port_is_taken_at_the_last_moment(
    made_folder: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = port.free_port
    choices: list[int] = []

    def every_other_is_taken() -> int:
        choices.append(free() if len(choices) % 2 else taken_port)
        return choices[-1]

    monkeypatch.setattr(port, "free_port", every_other_is_taken)
    async with embedded_servers(made_folder, durable=False) as servers:
        assert await query(servers.postgres_url, "SELECT 1") == 1
        assert len(choices) == 4
        assert f":{choices[1]}/" in servers.redis_url
        assert f":{choices[3]}/" in servers.postgres_url


async def test_the_start_fails_after_five_ports(
    made_folder: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "free_port", lambda: taken_port)
    with pytest.raises(EmbeddedServerError, match="Address already in use"):
        async with embedded_servers(made_folder, durable=False):
            pass


async def test_a_server_that_never_gets_ready_is_stopped_and_reported(
    made_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "READY_SECONDS", -1.0)
    with pytest.raises(EmbeddedServerError, match="not ready after"):
        async with embedded_servers(made_folder, durable=False):
            pass
