"""A small schema at the real endpoint, on a real server in the tests' own event loop."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, NewType, cast
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from domain.concurrency.fair_queue import FairQueue
from domain.errors import (
    BadInputError,
    ForbiddenError,
    LimitExceededError,
    NotFoundError,
    RateLimitedError,
    UnauthenticatedError,
)
from domain.tenancy.session import DatabaseUnavailableError
from gql.admission import Admission
from gql.context import Context, HubLinks, Identity, UseCases
from gql.documents.reader import DocumentReader
from gql.execution import Operations
from gql.limits.cost import CostModel
from gql.limits.limits import Limits
from gql.observation import Observation
from gql.request import Request
from gql.transport.contexts import Contexts
from gql.transport.graphiql import graphiql_routes
from gql.transport.http import GraphQLView
from opsrun.api.http_protocol import server_config
from opsrun.api.websocket_protocol import WebSocketProtocol

PATH = "/graphql"
SECRET = "postgresql://opsrun:hunter2@db"


Info = strawberry.Info[Context, None]


def caller(info: Info) -> str:
    """Return the caller's name and the request's id."""
    request = info.context.request
    assert request.actor_id is not None
    return f"{USERS[request.actor_id]} {request.id}"


def parse_cursor(text: str) -> str:
    match text:
        case "crash":
            raise KeyError(SECRET)
        case "mean":
            raise ValueError(f"{SECRET}'; found: {SECRET}")
        case "foreign":
            raise BadInputError("This cursor is from another feed.")
    return text


Cursor = NewType("Cursor", str)
CURSOR = strawberry.scalar(name="Cursor", serialize=str, parse_value=parse_cursor)
ERRORS = {
    "UNAUTHENTICATED": UnauthenticatedError("Your token has expired."),
    "FORBIDDEN": ForbiddenError(),
    "NOT_FOUND": NotFoundError("No such run."),
    "LIMIT_EXCEEDED": LimitExceededError("Ask for less."),
    "RATE_LIMITED": RateLimitedError("Try later.", 7),
    "INTERNAL": RuntimeError(SECRET),
}


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello, {name}!"

    @strawberry.field
    def whoami(self, info: Info) -> str:
        return caller(info)

    @strawberry.field
    def after(self, cursor: Cursor) -> str:
        return cursor

    @strawberry.field
    def fails(self, code: str) -> str:
        raise ERRORS[code]

    @strawberry.field
    def may_fail(self, code: str) -> str | None:
        raise ERRORS[code]

    @strawberry.field
    def too_big_for_json(self) -> JSON | None:
        return JSON(2**70)

    @strawberry.field
    def too_big_for_an_int(self) -> int | None:
        return 2**40 + 7


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, name: str) -> str:
        return name


@strawberry.type
class Tick:
    number: int
    cursor: str


@dataclass
class Watch:
    """The events of the endless subscriptions of one test."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    cleaned_up: asyncio.Event = field(default_factory=asyncio.Event)
    announced: asyncio.Event = field(default_factory=asyncio.Event)


# A subscription keeps the one it began with: it may clean up in a later test.
watch = Watch()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncIterator[int]:
        """Holds a timeout across its yields, which only one task may do."""
        async with asyncio.timeout(5):
            for number in range(1, to + 1):
                yield number

    @strawberry.subscription
    async def silence(self) -> AsyncIterator[int]:
        """Yields nothing, and needs an `await` to clean up."""
        seen = watch
        seen.started.set()
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            await asyncio.sleep(0.01)
            seen.cleaned_up.set()

    @strawberry.subscription
    async def announced(self) -> AsyncIterator[int]:
        """Yields once the test sets an event."""
        await watch.announced.wait()
        yield 1

    @strawberry.subscription
    async def flood(self, size: int = 1) -> AsyncIterator[str]:
        """Never waits for anything."""
        seen = watch
        seen.started.set()
        try:
            while True:
                yield "x" * size
        finally:
            await asyncio.sleep(0.01)
            seen.cleaned_up.set()

    @strawberry.subscription
    async def messy(self) -> AsyncIterator[int]:
        """Fails while it cleans up."""
        seen = watch
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            seen.cleaned_up.set()
            raise ConnectionError(SECRET)

    @strawberry.subscription
    async def breaks(self, code: str, first: int = 0) -> AsyncIterator[int]:
        """Yields `first` numbers, then fails."""
        for number in range(first):
            yield number
        raise ERRORS[code]

    @strawberry.subscription
    async def ticks(self, info: Info, to: int, after: str | None = None) -> AsyncIterator[Tick]:
        """Continues after `after`, or after the last event that the client received."""
        for number in range(int(after or info.context.request.last_event_id or 0) + 1, to + 1):
            yield Tick(number=number, cursor=str(number))

    @strawberry.subscription
    async def cursor_of_our_own(self, cursor: str) -> AsyncIterator[Tick]:
        yield Tick(number=1, cursor=cursor)

    @strawberry.subscription
    async def whoami(self, info: Info) -> AsyncIterator[str]:
        yield f"{caller(info)} {id(info.context)}"


SCHEMA = strawberry.Schema(
    Query, Mutation, Subscription, config=StrawberryConfig(scalar_map={Cursor: CURSOR})
)
# The names of the users that have signed in.
USERS: dict[UUID, str] = {}


class NoBudgets:
    """Operations have no cost."""

    def require(self, user_id: UUID) -> None:
        pass

    async def spend(self, user_id: UUID, cost: int) -> None:
        pass

    def owe(self, user_id: UUID, cost: int) -> None:
        pass

    async def settle(self, user_id: UUID, cost: int) -> None:
        pass


async def no_document(_: str) -> None:
    """There are no registered documents."""


class FreeOperations(Operations):
    """Operations whose answers do not show a cost."""

    def _answer(self, result: ExecutionResult, observation: Observation) -> ExecutionResult:
        answer = super()._answer(result, observation)
        answer.extensions = None
        return answer


def operations_of(schema: strawberry.Schema, limits: Limits) -> Operations:
    """Return operations that cost nothing and wait for nothing."""
    core, budgets = schema._schema, NoBudgets()
    return FreeOperations(
        schema,
        Admission(
            limits,
            DocumentReader(core, limits, budgets),
            CostModel(core),
            budgets,
            no_document,
            turns=FairQueue(sys.maxsize, per_key=sys.maxsize),
        ),
    )


def demo_operations(*, aliases: int = 10**6) -> Operations:
    """Return the demo's operations, with hardly any limits."""
    return operations_of(SCHEMA, Limits(tokens=10**6, aliases=aliases, cost=10**6))


class Tenancy:
    """Every user is known, and belongs to no tenant."""

    async def principal(self, _: UUID, **__: float) -> str:
        return "somebody"


class DemoContexts(Contexts):
    """Knows one token per user: the user's name. `made` counts contexts."""

    def __init__(self) -> None:
        super().__init__(
            cast("UseCases", SimpleNamespace(tenancy=Tenancy())),
            self._identify,
            NoBudgets(),
            HubLinks("https://demo.example"),
            timedelta(days=1),
        )
        self.made = 0
        self.revoked = False

    async def _identify(self, authorization: str | None) -> Identity:
        user = (authorization or "").removeprefix("Bearer").strip()
        if user == "broken":
            raise RuntimeError(SECRET)
        if user == "unlucky":
            raise DatabaseUnavailableError(SECRET)
        if user == "busy":
            raise RateLimitedError("Too many requests.", 2.5)
        if not user or self.revoked:
            raise UnauthenticatedError("Sign in first.")
        self.made += 1
        user_id = uuid5(NAMESPACE_URL, user)
        USERS[user_id] = user
        return Identity(user_id, datetime.now(UTC) + timedelta(hours=1))


async def demo_context(user: str = "ada") -> Context:
    """Return the context of an operation of `user`, whose token is verified."""
    context = DemoContexts()._context(Request("demo"), user)
    await context.identify()
    return context


@dataclass
class Demo:
    view: GraphQLView
    contexts: DemoContexts
    server: uvicorn.Server
    serving: asyncio.Task[None]
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serve(
    operations: Operations | None = None, *, ping_seconds: float = 20.0, **options: Any
) -> AsyncIterator[Demo]:
    contexts = DemoContexts()
    view = GraphQLView(
        operations or demo_operations(),
        contexts,
        **options,
    )
    app = Starlette(
        routes=[
            Route(PATH, view),
            WebSocketRoute(PATH, view),
            *graphiql_routes(),
        ]
    )
    server = uvicorn.Server(
        # The same server class as in `opsrun api`.
        server_config(
            app,
            ws=WebSocketProtocol,
            ws_max_size=256 * 1024,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
        )
    )
    # asyncio sends small packets at once only on sockets that name their protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield Demo(view, contexts, server, serving, listener.getsockname()[1])
    finally:
        await view.close_connections()
        server.should_exit = True
        await serving


@asynccontextmanager
async def client(demo: Demo, user: str | None = "ada") -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {user}"} if user else {}
    url = f"http://{demo.host}"
    # Without TLS there is nothing to verify, and loading certificates is slow.
    async with httpx.AsyncClient(
        base_url=url,
        headers=headers,
        trust_env=False,
        verify=False,  # noqa: S501
    ) as http:
        yield http
