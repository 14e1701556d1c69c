"""Who asks: the seam to whatever turns a token into the context of an operation."""

import re
from collections.abc import Awaitable, Mapping
from typing import Protocol
from uuid import uuid4

from domain.concurrency.fair_queue import Turn
from domain.errors import DomainError, RateLimitedError, UnauthenticatedError
from gql.audit import audit_refusal_at_door, audit_refusals
from gql.errors import public_error
from gql.limits.turns import require_patience
from gql.transport.slots import Slot

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class ContextFactory(Protocol):
    """Makes the context of one operation; called anew for each, so contexts never go stale."""

    async def for_http(self, authorization: str | None) -> object:
        """Return the context of an HTTP request.

        Args:
            authorization: the whole Authorization header, None when there is none.

        Raises:
            UnauthenticatedError: nobody is signed in; answered with status 401.
        """
        ...

    async def for_socket(self, connection_params: Mapping[str, object]) -> object:
        """Return the context of one operation on a socket.

        Called for `connection_init` too, to see whether the socket may open at all.

        Args:
            connection_params: the payload of `connection_init`, as the client sent it.

        Raises:
            UnauthenticatedError: refuses the socket (4403) or the operation.
        """
        ...


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the client's own X-Request-Id when it is well-formed, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


async def opened(opening: Awaitable[object], **facts: str | None) -> object:
    """Await an operation's context and tell it of its request; a refusal is audited.

    Raises:
        DomainError: whatever keeps the operation from having a context.
    """
    try:
        return told(await opening, **facts)
    except DomainError as error:
        audit_refusal_at_door(error, **facts)
        raise


def seated(context: object, slot: Slot) -> object:
    """Take a slot for the connection that a context is of; a refusal is audited.

    Raises:
        RateLimitedError: there is none left.
    """
    try:
        slot.take(context)
    except RateLimitedError as error:
        audit_refusals([public_error(error)], context)
        raise
    return told(context, slot=slot)


async def in_turn(context: object, turn: Turn) -> None:
    """Wait for the turn of the user of a request, then see that they are known.

    Refusals are audited.

    Raises:
        RateLimitedError: too many of the user's requests wait.
        UnauthenticatedError: the user is unknown, or the token expired during the wait.
    """
    try:
        require_patience(turn)
        await turn.take()
        if (principal := getattr(context, "principal", None)) is not None:
            await principal()
    except (RateLimitedError, UnauthenticatedError) as error:
        audit_refusals([public_error(error)], context)
        raise
    told(context, turn=turn)


def told(context: object, **facts: object) -> object:
    """Tell `context` those facts about its request that it has a place for."""
    for name, fact in facts.items():
        if hasattr(context, name):
            setattr(context, name, fact)
    return context
