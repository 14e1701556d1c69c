"""A mutation completes even if its client leaves, and a stopping server waits for it."""

import asyncio
import gc
import logging
from inspect import signature
from uuid import uuid4

import pytest

from domain.errors import ForbiddenError
from gql import completion
from gql.completion import completes, run_to_completion, wait_for_mutations
from tests.client import PATIENCE
from tests.gql.trail import Pause, Trail


async def test_a_decorated_resolver_completes_even_if_its_caller_is_cancelled() -> None:
    pause, results = Pause(), list[str]()

    @completes
    async def rename(name: str) -> str:
        """Rename it."""
        await pause.here()
        results.append(name)
        return name

    assert str(signature(rename)) == "(name: str) -> str"
    calling = asyncio.create_task(rename("a"))
    async with asyncio.timeout(PATIENCE):
        await pause.reached.wait()
        calling.cancel()
        pause.over.set()
        await asyncio.wait([calling])
    assert calling.cancelled()
    assert results == ["a"]
    assert await rename("b") == "b"


async def test_an_error_without_a_response_is_audited_once(
    trail: Trail, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = uuid4()
    for error in (ForbiddenError(tenant_id=elsewhere), RuntimeError("a surprise")):
        pause = Pause()

        async def fail(pause: Pause = pause, error: Exception = error) -> None:
            await pause.here()
            raise error

        working = asyncio.create_task(run_to_completion(fail()))
        async with asyncio.timeout(PATIENCE):
            await pause.reached.wait()
            # Cancelled by the client, then by a stopping server.
            for _ in range(2):
                working.cancel()
                await asyncio.sleep(0)
            assert not working.done()
            pause.over.set()
            await asyncio.wait([working])
        assert working.cancelled()
    (fields,) = trail.fields
    assert fields["tenant_id"] == str(elsewhere)
    gc.collect()
    (surprise,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(vars(surprise)["error_id"]) == 32
    assert str(surprise.exc_info and surprise.exc_info[1]) == "a surprise"


async def test_a_stopping_server_does_not_wait_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "LAST_SECONDS", 0.01)
    pause = Pause()
    working = asyncio.create_task(run_to_completion(pause.here()))
    async with asyncio.timeout(PATIENCE):
        await pause.reached.wait()
        await wait_for_mutations()
        assert not working.done()
        pause.over.set()
        await working
