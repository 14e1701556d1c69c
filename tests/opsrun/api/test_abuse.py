"""Abuse of `opsrun api` ends with the right code; other clients continue."""

import asyncio

from tests.acts import save_scopes
from tests.client import SYNC, WEBSOCKET, User
from tests.gql.transport.frames import ABUSES, BROKEN_UTF8, init, raw_websocket, subscribe
from tests.opsrun.api.test_serving import FEED, api
from tests.opsrun.conftest import Installation
from tests.world import SCOPE, World

ROUNDS = 3


async def test_other_clients_are_not_affected(installation: Installation, place: World) -> None:
    token = place.token()

    async def abuse(port: int, data: bytes) -> int:
        async with raw_websocket(port) as raw:
            await raw.sign_in(token)
            raw.writer.write(subscribe(FEED, {"tenant": place.global_id}))
            assert (await raw.message())["type"] == "next"
            raw.writer.write(data)
            return await raw.closing()

    async with (
        api(installation) as (command, base),
        User.signed_in(base, token) as user,
        user.subscribe(WEBSOCKET, FEED, {"tenant": place.global_id}) as stream,
    ):
        assert (await stream.next())["__typename"] == "FeedReset"
        port = int(base.rpartition(":")[2])
        abuses = [*ABUSES.values(), *((data, 1007) for data in BROKEN_UTF8.values())]
        for _ in range(ROUNDS):
            codes = await asyncio.gather(*(abuse(port, data) for data, _ in abuses))
            assert codes == [code for _, code in abuses]
        async with raw_websocket(port) as stranger:
            stranger.writer.write(init("stranger") * 2)
            assert await stranger.closing() == 4403

        await save_scopes(place, SCOPE)
        await user.start(SYNC, SCOPE)
        assert (await stream.next())["__typename"] == "OperationRunChanged"
        await command.stop()
        # The local key of these tests causes a warning at the start.
        served = command.output.partition("Listening on ")[2]
        for sign in ("Traceback", " ERROR ", " WARNING "):
            assert sign not in served
