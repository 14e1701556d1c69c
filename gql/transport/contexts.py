"""From a token to the context of an operation."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from gql.context import Context, HubLinks, Identity, UseCases
from gql.limits.budgets import Budgets
from gql.request import Request


@dataclass(slots=True)
class Contexts:
    """Makes a new context for each operation, so that its caller's roles are never stale."""

    cases: UseCases
    # Verifies the value of an Authorization header; None if the client sent none.
    authenticate: Callable[[str | None], Awaitable[Identity]]
    budgets: Budgets
    links: HubLinks
    default_window: timedelta
    # Whether a WebSocket's token may also be in the header of its handshake.
    token_in_handshake: bool = False

    async def for_http(self, request: Request, authorization: str | None) -> Context:
        """Return the context of an HTTP request, without reading the database.

        Raises:
            UnauthenticatedError: the token is missing or not valid.
            RateLimitedError: the user's budget is spent.
        """
        context = self._context(request, authorization)
        self.budgets.require((await context.identify()).user_id)
        return context

    async def for_websocket(self, request: Request) -> Context:
        """Return the context of one operation on a WebSocket, or of its `connection_init`.

        The token is in the payload of `connection_init`: `{authorization: "Bearer …"}`. A router
        sends it in the handshake instead, and its payload has another form.

        Raises:
            UnauthenticatedError: the token is missing or not valid.
        """
        params = {name.lower(): value for name, value in request.connection_params.items()}
        token = params.get("authorization")
        if not token and self.token_in_handshake:
            token = request.authorization
        context = self._context(request, str(token or ""))
        await context.identify()
        return context

    def _context(self, request: Request, authorization: str | None) -> Context:
        verify_token = partial(self.authenticate, authorization)
        return Context(self.cases, verify_token, self.links, self.default_window, request)
