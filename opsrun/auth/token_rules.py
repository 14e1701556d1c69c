"""What a token has to say to be trusted, and whom it then speaks for (T4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

from domain.errors import UnauthenticatedError
from domain.tenancy.claims import ClaimedUser, memberships_of
from domain.tenancy.models import user_id

if TYPE_CHECKING:
    from gql.context import Identity

BAD_TOKEN = "The token is not valid here. Sign in again."  # noqa: S105
# Of a token made to confuse a decoder, or of claims out of every range.
FAULTS = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)

_REQUIRED = ["exp", "iss", "aud", "sub"]
_TIMES = ("exp", "nbf", "iat")
# Characters; the first is OpenID Connect's own bound.
_MAX_SUBJECT = 255
_MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are taken, and how exactly."""

    issuer: str
    audience: str
    algorithms: Sequence[str]
    leeway: timedelta
    # The claim with the roles; None where the table of memberships has them.
    memberships_claim: str | None

    def identity(self, token: str, key: Any) -> "Identity":
        """Check signature, issuer, audience, subject and times.

        Raises:
            UnauthenticatedError: for any fault of the token or its key.
        """
        # Whoever only mints tokens starts sooner without the schema's library.
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
            return Identity(user_id(self.issuer, subject), expires_at, self._claimed(claims))
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("The token has expired. Sign in again.") from error
        except FAULTS as error:
            raise UnauthenticatedError(BAD_TOKEN) from error

    def _claimed(self, claims: dict[str, Any]) -> ClaimedUser | None:
        if self.memberships_claim is None:
            return None
        return ClaimedUser(
            self.issuer,
            claims["sub"],
            _text(claims.get("name")),
            _text(claims.get("email")),
            memberships_of(claims.get(self.memberships_claim)),
        )


def _moment(claim: Any) -> datetime:
    """Return the time that a claim names in seconds since 1970.

    Raises:
        TypeError, ValueError, OverflowError: it is not a number, or outside the years 1 to 9999.
    """
    # The library that decodes takes everything that `int` does, such as true and "5".
    if isinstance(claim, bool):
        raise TypeError("not a number")
    try:
        return datetime.fromtimestamp(claim, UTC)
    except OSError as error:
        # The platform's own way to say that a year is too large for it.
        raise OverflowError from error


def _text(claim: object) -> str | None:
    """Return what can be shown of a claim; None when there is nothing."""
    if not isinstance(claim, str):
        return None
    return "".join(filter(str.isprintable, claim))[:_MAX_NAME].strip() or None
