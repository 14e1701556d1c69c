"""Who a token says somebody is, and where it says they belong."""

from dataclasses import dataclass
from uuid import UUID

from domain.tenancy.models import SLUG, Principal, user_id
from domain.tenancy.roles import TenantRole

_ROLES = frozenset(TenantRole)


@dataclass(frozen=True, slots=True)
class ClaimedUser:
    """A user as a trusted token describes them.

    Name and e-mail are None where the token does not tell. Memberships are pairs of a tenant's
    slug and a role's name, as the token has them: either may not exist here.
    """

    issuer: str
    subject: str
    name: str | None
    email: str | None
    memberships: tuple[tuple[str, str], ...]

    @property
    def id(self) -> UUID:
        """The user's id here."""
        return user_id(self.issuer, self.subject)

    @property
    def roles(self) -> dict[str, TenantRole]:
        """The highest role that is claimed for each slug; names of no role count for nothing."""
        known = [
            (slug, TenantRole(role))
            for slug, role in self.memberships
            if role in _ROLES and SLUG.fullmatch(slug)
        ]
        return dict(sorted(known, key=lambda membership: membership[1].rank))

    def is_told_by(self, known: Principal) -> bool:
        """True when nothing has to be taken over."""
        return self.name in (None, known.name) and self.email in (None, known.email)


def memberships_of(claim: object) -> tuple[tuple[str, str], ...]:
    """Read `{"aurora": "OPERATOR"}` or `["aurora:OPERATOR"]`; whatever is neither says nothing."""
    if isinstance(claim, str):
        # So do some identity providers write a list of one.
        claim = [claim]
    if isinstance(claim, list):
        texts = [entry for entry in claim if isinstance(entry, str)]
        return tuple((slug, role) for slug, _, role in (text.partition(":") for text in texts))
    if isinstance(claim, dict):
        return tuple((str(slug), str(role)) for slug, role in claim.items())
    return ()
