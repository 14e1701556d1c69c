"""The API as an ASGI application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gql.audit import wait_for_mutations
from gql.context import Context, UseCases
from gql.limits.budgets import Budgets
from gql.metrics import ApiMetrics
from gql.schema import schema
from gql.serving import Telemetry
from gql.transport.cors import cross_origin
from gql.transport.graphiql import graphiql_routes
from gql.transport.http import GraphQLView
from gql.transport.slots import Slots
from opsrun.api.admission_config import open_gate
from opsrun.api.health import Check, open_database_check
from opsrun.api.hub import hub_app, hub_folder
from opsrun.api.monitoring import Monitor
from opsrun.auth.tokens import OidcTokens, RecentTokens, Tokens, bearer, tokens
from opsrun.postgres.engines import Login
from opsrun.resources import Resources, open_resources, use_cases
from opsrun.settings import Settings
from opsrun.telemetry.tracing import open_tracer


class HubLinks:
    """Addresses in the hub, under the public URL."""

    def __init__(self, public_url: str) -> None:
        self._base = public_url.rstrip("/")

    def run(self, tenant_slug: str, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self._base}/t/{tenant_slug}/operations/{run_id}"


class TokenContexts:
    """Makes an operation's context from the token that came with it."""

    def __init__(
        self,
        cases: UseCases,
        verifier: Tokens,
        budgets: Budgets,
        links: HubLinks,
        default_window: timedelta,
    ) -> None:
        self._cases = cases
        self._verifier = verifier
        self._budgets = budgets
        self._links = links
        self._default_window = default_window

    async def for_http(self, authorization: str | None) -> Context:
        """Return the context of an HTTP request; nothing is read for its user yet.

        Raises:
            UnauthenticatedError: the token is missing or not good.
            RateLimitedError: the user has no points left.
        """
        context = self._context(authorization)
        self._budgets.require((await context.identify()).user_id)
        return context

    async def for_socket(self, connection_params: Mapping[str, object]) -> Context:
        """Return the context of one operation on a socket, from `{authorization: "Bearer …"}`.

        Raises:
            UnauthenticatedError: the token is missing or not good.
        """
        given = {name.lower(): value for name, value in connection_params.items()}
        context = self._context(str(given.get("authorization") or ""))
        await context.principal()
        return context

    def _context(self, authorization: str | None) -> Context:
        token = bearer(authorization)
        return Context(
            self._cases, lambda: self._verifier.verify(token), self._links, self._default_window
        )


@dataclass(frozen=True, slots=True)
class Api:
    """The application, with what must be told before the server stops."""

    app: Starlette
    view: GraphQLView
    monitor: Monitor


def checks(database: Check, resources: Resources, verifier: Tokens) -> Mapping[str, Check]:
    """Return what the API needs."""
    found = {
        "database": database,
        # Only a wake-up: without it the API serves on, a little later.
        "redis": Check(resources.wakeups.ping, is_needed=False),
    }
    if isinstance(verifier, OidcTokens):
        # Kept keys serve on, and no other replica would have more.
        found["issuer"] = Check(verifier.keys.require, is_needed=False)
    return found


@asynccontextmanager
async def open_api(
    settings: Settings, public_url: str, more_routes: Sequence[BaseRoute] = ()
) -> AsyncIterator[Api]:
    """Open the API's resources and put the application together, with `more_routes`."""
    async with (
        open_tracer(settings, "api") as tracer,
        open_resources(settings, Login.API) as resources,
        open_database_check(settings) as database,
        open_gate(settings, resources.transactions) as gate,
    ):
        verifier = tokens(settings)
        monitor = Monitor(checks(database, resources, verifier), wakeups=resources.wakeups)
        monitor.registry.register(resources.pool_wait)
        contexts = TokenContexts(
            use_cases(resources, max_active_runs=settings.tenant_max_active_runs),
            RecentTokens(verifier),
            gate.budgets,
            HubLinks(public_url),
            timedelta(days=settings.default_window_days),
        )
        view = GraphQLView(
            schema.behind(gate),
            context_factory=contexts,
            allowed_origins=settings.allowed_origins,
            graphiql_path="/graphiql/",
            slots=Slots(
                per_user=settings.connections_per_user, per_tenant=settings.connections_per_tenant
            ),
            operations_per_socket=settings.operations_per_socket,
            telemetry=Telemetry(ApiMetrics(monitor.registry), tracer),
        )
        routes = [
            Route("/graphql", cross_origin(view, settings.allowed_origins)),
            WebSocketRoute("/graphql", view),
            *graphiql_routes(),
            *monitor.health,
            *more_routes,
        ]
        app = Starlette(routes=routes)
        if (hub := hub_folder(settings)) is not None:
            # Not a route: that would take `/graphiql`, which is to get its slash.
            app.router.default = hub_app(hub)
        else:
            app.add_route("/", lambda _: RedirectResponse("/graphiql/"))
        try:
            yield Api(app, view, monitor)
        finally:
            await wait_for_mutations()
