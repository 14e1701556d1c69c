"""The list page in the fewest steps, with asyncpg and orjson: the limit of what is possible.

`python -m bench.peers.bare A` reads the page, without login, row level security or budget.
`python -m bench.peers.bare E` does everything that Opsrun must: it verifies the token, counts the
user's requests in Valkey, checks the membership, and reads under row level security.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import hiredis
import jwt
import orjson
import uvloop
from starlette.types import Receive, Scope, Send

from bench.peers.serving import serve
from domain.tenancy.models import SYSTEM_INITIATOR_ID, user_id
from gql.ids import GlobalId
from gql.pages import Cursor
from opsrun.auth.tokens import LOCAL_AUDIENCE, LOCAL_ISSUER

WINDOW = timedelta(days=30)
_CONNECTIONS = 8
_TOKEN_SECONDS = 5.0
_COLUMNS = """id, run_type, status, status_bucket, created_at, started_at, finished_at,
    total, succeeded, failed, skipped, initiator_id, initiator_name"""
_PAGE = f"""
SELECT {_COLUMNS} FROM opsrun.operation_run
WHERE tenant_id = $1 AND created_at >= $2 ORDER BY created_at DESC, id DESC LIMIT $3
"""
# The settings of row level security, the membership and the page in one round trip.
GUARDED_PAGE = f"""
CREATE SCHEMA IF NOT EXISTS bench;
GRANT USAGE ON SCHEMA bench TO opsrun_api;
CREATE OR REPLACE FUNCTION bench.page(caller uuid, tenant uuid, since timestamptz, size int)
RETURNS TABLE (id uuid, run_type text, status text, status_bucket text, created_at timestamptz,
    started_at timestamptz, finished_at timestamptz, total int, succeeded int, failed int,
    skipped int, initiator_id uuid, initiator_name text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('opsrun.tenant_id', tenant::text, true),
        set_config('opsrun.user_id', caller::text, true);
    IF NOT EXISTS (SELECT FROM opsrun.membership m
                   WHERE m.tenant_id = tenant AND m.user_id = caller) THEN
        RAISE insufficient_privilege;
    END IF;
    RETURN QUERY SELECT {_COLUMNS} FROM opsrun.operation_run
        WHERE tenant_id = tenant AND created_at >= since
        ORDER BY created_at DESC, id DESC LIMIT size;
END $$;
"""
_GUARDED = "SELECT * FROM bench.page($1, $2, $3, $4)"


class Bare:
    """Limit A."""

    statement = _PAGE

    def __init__(self) -> None:
        self._idle = asyncio.LifoQueue[Any]()

    async def open(self) -> None:
        """Open the connections."""
        for _ in range(_CONNECTIONS):
            connection = await asyncpg.connect(os.environ["DATABASE_URL"])
            self._idle.put_nowait(await connection.prepare(self.statement))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the list query of the benchmark, whatever its document says."""
        variables = orjson.loads(await _body(receive))["variables"]
        tenant, size = GlobalId.decode(variables["tenant"]).tenant_id, variables["first"]
        rows = await self.read(scope, tenant, datetime.now(UTC) - WINDOW, size + 1)
        answer = orjson.dumps(
            {"data": {"tenant": {"operationRuns": _page(tenant, rows, size)}}},
            option=orjson.OPT_UTC_Z,
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(answer)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def read(self, _: Scope, *arguments: Any) -> list[Any]:
        """Read the page; the arguments are those of the statement."""
        statement = await self._idle.get()
        try:
            return cast("list[Any]", await statement.fetch(*arguments))
        finally:
            self._idle.put_nowait(statement)


class Guarded(Bare):
    """Limit E."""

    statement = _GUARDED

    async def open(self) -> None:
        await super().open()
        self._key = os.environ["OPSRUN_LOCAL_KEY"]
        self._verified: dict[str, tuple[UUID, float]] = {}
        url = urlsplit(os.environ["OPSRUN_REDIS_URL"])
        _, self._requests = await asyncio.get_running_loop().create_connection(
            _Requests, cast("str", url.hostname), cast("int", url.port)
        )
        await self._requests.send(b"AUTH", url.password)

    async def read(self, scope: Scope, *arguments: Any) -> list[Any]:
        token = next(value for name, value in scope["headers"] if name == b"authorization")
        caller = self._caller(token.decode().removeprefix("Bearer "))
        counter = f"bench:{caller}:{monotonic() // 60:.0f}"
        counting = self._requests.send(b"INCRBY", counter, 1)
        await self._requests.send(b"EXPIRE", counter, 60)
        if await counting > 10**9:
            raise PermissionError("This user's budget is spent.")
        return await super().read(scope, caller, *arguments)

    def _caller(self, token: str) -> UUID:
        caller, until = self._verified.get(token, (None, 0.0))
        if caller is None or until < monotonic():
            claims = jwt.decode(
                token, self._key, algorithms=["HS256"], audience=LOCAL_AUDIENCE, issuer=LOCAL_ISSUER
            )
            caller = user_id(LOCAL_ISSUER, claims["sub"])
            self._verified[token] = caller, monotonic() + _TOKEN_SECONDS
        return caller


class _Requests(asyncio.Protocol):
    """One pipelined connection to Valkey."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._reader = hiredis.Reader()
        self._waiting = deque[asyncio.Future[Any]]()

    def send(self, *command: Any) -> asyncio.Future[Any]:
        """Send a command; the result is its reply."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        self._transport.write(hiredis.pack_command(command))
        return self._waiting[-1]

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(reply)


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


def _page(tenant: UUID, rows: list[Any], size: int) -> dict[str, Any]:
    last = rows[:size][-1]
    end = Cursor("runs", tenant, (last["created_at"].isoformat(), last["id"].hex)).encode()
    return {
        "nodes": [*_nodes(tenant, rows[:size])],
        "pageInfo": {"hasNextPage": len(rows) > size, "endCursor": end},
    }


def _nodes(tenant: UUID, rows: Iterable[Any]) -> Iterable[dict[str, Any]]:
    for row in rows:
        id_, run_type, status, bucket, created_at, started_at, finished_at, *others = row
        total, succeeded, failed, skipped, initiator_id, initiator_name = others
        yield {
            "id": GlobalId("OperationRun", tenant, id_.hex).encode(),
            "runType": run_type,
            "status": status,
            "statusBucket": bucket,
            "createdAt": created_at,
            "startedAt": started_at,
            "finishedAt": finished_at,
            "counts": {
                "total": total,
                "processed": succeeded + failed + skipped,
                "succeeded": succeeded,
                "failed": failed,
                "skipped": skipped,
            },
            "initiator": {
                "kind": "SYSTEM" if initiator_id == SYSTEM_INITIATOR_ID else "USER",
                "name": initiator_name,
            },
        }


async def _main(kind: str) -> None:
    app = {"A": Bare, "E": Guarded}[kind]()
    await app.open()
    await serve(app)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
