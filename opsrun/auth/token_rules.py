"""The rules that a token must satisfy, and the identity in it (T4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

from domain.errors import UnauthenticatedError
from domain.tenancy.claims import ClaimedUser, memberships_of
from domain.tenancy.models import user_id
from opsrun.auth.services import service_client
from opsrun.settings import LEEWAY_SECONDS, OIDC_ALGORITHMS

if TYPE_CHECKING:
    from gql.context import Identity

BAD_TOKEN = "The token is not valid here. Sign in again."  # noqa: S105
# The errors of malicious tokens, and of claims out of range.
FAULTS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

_REQUIRED = ["exp", "iss", "aud", "sub"]
_TIMES = ("exp", "nbf", "iat")
# Characters; the first limit is OpenID Connect's.
_MAX_SUBJECT = 255
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The conditions for accepting a token."""

    issuer: str
    audience: str
    algorithms: Sequence[str] = OIDC_ALGORITHMS
    leeway: timedelta = timedelta(seconds=LEEWAY_SECONDS)
    memberships_claim: str | None = None
    """The claim that holds memberships; None if the table does."""

    def identity(self, token: str, key: Any) -> "Identity":
        """Check signature, issuer, audience, subject and times; return the identity.

        Raises:
            UnauthenticatedError: the token or its key is not valid.
        """
        # Imported here, because `opsrun token` starts faster without the GraphQL library.
        from gql.context import Identity

        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self.algorithms,
                issuer=self.issuer,
                audience=self.audience,
                leeway=self.leeway,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
            subject = claims["sub"]
            if not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
                raise ValueError("sub")
            times = {name: _moment(claims[name]) for name in _TIMES if name in claims}
            expires_at = times["exp"] + self.leeway
            client = service_client(claims)
            id_ = user_id(self.issuer, subject, is_service=client is not None)
            return Identity(id_, expires_at, self._claimed(claims, client))
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("The token has expired. Sign in again.") from error
        except FAULTS as error:
            raise UnauthenticatedError(BAD_TOKEN) from error

    def _claimed(self, claims: dict[str, Any], client: str | None) -> ClaimedUser | None:
        if self.memberships_claim is None:
            return None
        return ClaimedUser(
            self.issuer,
            claims["sub"],
            _text(claims.get("name")) or _text(client),
            _text(claims.get("email")) if client is None else None,
            memberships_of(claims.get(self.memberships_claim)),
            is_service=client is not None,
        )


def _moment(claim: Any) -> datetime:
    """Return the time of a claim, which is in seconds since 1970.

    Raises:
        TypeError, ValueError, OverflowError: not a number, or not within the years 1 to 9999.
    """
    # PyJWT accepts everything that `int` accepts, such as true and "5".
    if isinstance(claim, bool):
        raise TypeError("not a number")
    try:
        return datetime.fromtimestamp(claim, UTC)
    except OSError as error:
        # The platform reports a year that it does not support.
        raise OverflowError from error


def _text(claim: object) -> str | None:
    """Return the printable part of a claim; None if there is none."""
    if not isinstance(claim, str):
        return None
    return "".join(filter(str.isprintable, claim))[:_MAX_NAME].strip() or None
