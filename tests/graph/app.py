"""The double as a Starlette application: the token endpoint, and Graph."""

import asyncio
from collections.abc import Mapping

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.graph.calls import Reply
from tests.graph.errors import EntraError, GraphError
from tests.graph.faults import Answered, Cut, Faults, Slow
from tests.graph.options import read_options
from tests.graph.service import VERSIONS, Service, make_call
from tests.graph.tokens import Cloud, Tokens

_TRANSPORT = "graph.transport"
TOKEN_PATH = "/token"


def graph_app(
    clouds: Mapping[int, Cloud], tokens: Tokens, service: Service, faults: Faults
) -> ASGIApp:
    """Return the application; `clouds` are by the port on which a request arrives."""

    def cloud_of(request: Request) -> Cloud:
        return clouds[request.scope["server"][1]]

    async def configuration(request: Request) -> Response:
        try:
            reply = tokens.configuration(cloud_of(request), request.path_params["tenant"])
        except EntraError as error:
            reply = error.reply()
        return _response(reply)

    async def token(request: Request) -> Response:
        fields = read_options((await request.body()).decode())
        cut, slow = faults.take(TOKEN_PATH, Cut), faults.take(TOKEN_PATH, Slow)
        try:
            if fault := faults.take(TOKEN_PATH, Answered):
                raise fault.error()
            reply = tokens.issue(cloud_of(request), request.path_params["tenant"], fields)
        except EntraError as error:
            reply = error.reply()
        except GraphError as error:
            reply = Reply(error.status, {"error": "temporarily_unavailable"}, error.headers)
        reply.delay, reply.cut = slow.seconds if slow else 0.0, cut.when if cut else None
        return await _sent(reply)

    async def graph(request: Request) -> Response:
        content = await request.body()
        target = request.scope["raw_path"].decode() + f"?{request.url.query}"
        try:
            body = orjson.loads(content) if content else None
        except orjson.JSONDecodeError:
            body = None
        cloud = cloud_of(request)
        call = make_call(request.method, cloud.url, target, request.headers, body)
        if call.version not in VERSIONS:
            error = GraphError(400, "BadRequest", "Invalid version.")
            return _response(error.reply("none", "none"))
        return await _sent(service.answer(cloud, call))

    app = Starlette(
        routes=[
            Route("/{tenant}/v2.0/.well-known/openid-configuration", configuration),
            Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
            Route("/{path:path}", graph, methods=["GET", "POST", "PATCH", "PUT", "DELETE"]),
        ]
    )

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn gives an application no way to cut a connection.
        scope[_TRANSPORT] = send.__self__.transport  # type: ignore[attr-defined]
        await app(scope, receive, send)

    return with_transport


async def _sent(reply: Reply) -> Response:
    if reply.delay:
        await asyncio.sleep(reply.delay)
    response = _response(reply)
    return response if reply.cut is None else _CutResponse(response, reply.cut)


def _response(reply: Reply) -> Response:
    headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
    return Response(orjson.dumps(reply.body), reply.status, headers)


class _CutResponse(Response):
    """Sends nothing or half of a response, then cuts the connection."""

    def __init__(self, response: Response, when: str) -> None:
        super().__init__()
        self._response = response
        self._when = when

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._when == "within":
            whole = self._response
            start = {"status": whole.status_code, "headers": whole.raw_headers}
            await send({"type": "http.response.start", **start})
            half = whole.body[: len(whole.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            # A transport that is aborted drops what it has not written.
            await asyncio.sleep(0.01)
        scope[_TRANSPORT].abort()
        # uvicorn reports an answer without an end, unless it knows that the client is gone.
        await receive()
