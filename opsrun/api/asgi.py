"""The API as an ASGI application."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from gql.completion import wait_for_mutations
from gql.context import HubLinks
from gql.execution import Operations
from gql.federation import subgraph
from gql.limits.slots import Slots
from gql.metrics import ApiMetrics, Telemetry
from gql.schema import schema as plain_schema
from gql.transport.contexts import Contexts
from gql.transport.cors import cross_origin
from gql.transport.graphiql import GRAPHIQL_PATH, graphiql_routes
from gql.transport.http import GraphQLView
from gql.transport.page_files import PageFiles
from opsrun.api.admission_config import open_admission
from opsrun.api.health import Check, open_database_check
from opsrun.api.health_routes import health_routes
from opsrun.api.hub import hub_app, hub_folder
from opsrun.api.monitoring import Monitor
from opsrun.auth.tokens import OidcTokens, RecentTokens, Tokens, bearer, tokens
from opsrun.postgres.engines import Login
from opsrun.postgres.replica import ReplicaMetrics, open_replica
from opsrun.resources import Resources, open_resources, use_cases
from opsrun.settings import Settings
from opsrun.telemetry.tracing import open_tracer
from workers.sending import open_sender


@dataclass(frozen=True, slots=True)
class Api:
    """The application, and the parts of it that a stopping server calls."""

    app: Starlette
    view: GraphQLView
    monitor: Monitor


def checks(database: Check, resources: Resources, verifier: Tokens) -> Mapping[str, Check]:
    """Return the checks of the services that the API uses."""
    services = {
        "database": database,
        # It carries only wake-ups: without it, the API notices changes a little later.
        "redis": Check(resources.wakeups.ping, is_needed=False),
    }
    if isinstance(verifier, OidcTokens):
        # The API continues with its cached keys, and other replicas have no newer ones.
        services["issuer"] = Check(verifier.keys.require, is_needed=False)
    return services


@asynccontextmanager
async def open_api(
    settings: Settings, public_url: str, more_routes: Sequence[BaseRoute] = ()
) -> AsyncIterator[Api]:
    """Open the API's resources, and compose the application with `more_routes`."""
    schema = subgraph() if settings.federation else plain_schema
    async with (
        open_tracer(settings, "api") as tracer,
        open_resources(settings, Login.API) as resources,
        open_replica(settings, resources.transactions) as replica,
        open_database_check(settings) as database,
        open_admission(settings, resources.transactions, schema._schema) as admission,
        open_sender(settings.require_redis_url(), tracer) as send,
    ):
        verifier = tokens(settings)
        recent = RecentTokens(verifier)
        monitor = Monitor(checks(database, resources, verifier), wakeups=resources.wakeups)
        monitor.registry.register(resources.pool_wait)
        if replica is not None:
            monitor.registry.register(ReplicaMetrics(replica.outcomes))
        contexts = Contexts(
            use_cases(
                resources,
                max_active_runs=settings.tenant_max_active_runs,
                send=send,
                share=settings.tenant_concurrency,
                replica=replica,
            ),
            lambda authorization: recent.verify(bearer(authorization)),
            admission.budgets,
            HubLinks(public_url),
            timedelta(days=settings.default_window_days),
            token_in_handshake=settings.federation,
        )
        view = GraphQLView(
            Operations(schema, admission),
            contexts,
            allowed_origins=settings.allowed_origins,
            slots=Slots(
                per_user=settings.connections_per_user, per_tenant=settings.connections_per_tenant
            ),
            operations_per_websocket=settings.operations_per_websocket,
            telemetry=Telemetry(ApiMetrics(monitor.registry), tracer),
        )
        routes = [
            Route("/graphql", cross_origin(view, settings.allowed_origins)),
            WebSocketRoute("/graphql", view),
            *graphiql_routes(),
            *health_routes(monitor.checks, monitor.stopping),
            *more_routes,
        ]
        if settings.docs_folder is not None:
            routes.append(Mount("/docs", GZipMiddleware(PageFiles(settings.docs_folder))))
        app = Starlette(routes=routes)
        if (hub := hub_folder(settings)) is not None:
            # Not a route, because it would match `/graphiql`, which must be redirected.
            app.router.default = hub_app(hub)
        else:
            app.add_route("/", lambda _: RedirectResponse(GRAPHIQL_PATH))
        try:
            yield Api(app, view, monitor)
        finally:
            await wait_for_mutations()
