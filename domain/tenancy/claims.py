"""The identity and the memberships that a token claims."""

from dataclasses import dataclass
from uuid import UUID

from domain.tenancy.models import SLUG, Principal, user_id
from domain.tenancy.roles import TenantRole

_ROLES = frozenset(TenantRole)


@dataclass(frozen=True, slots=True)
class ClaimedUser:
    """The user that a trusted token describes: a person or a service.

    Name and e-mail are None if the token does not carry them. Memberships are pairs of a tenant's
    slug and a role's name, as in the token; Opsrun may know neither.
    """

    issuer: str
    subject: str
    name: str | None
    email: str | None
    memberships: tuple[tuple[str, str], ...]
    is_service: bool = False

    @property
    def id(self) -> UUID:
        return user_id(self.issuer, self.subject, is_service=self.is_service)

    @property
    def roles(self) -> dict[str, TenantRole]:
        """The highest claimed role for each slug, without unknown roles."""
        known = [
            (slug, TenantRole(role))
            for slug, role in self.memberships
            if role in _ROLES and SLUG.fullmatch(slug)
        ]
        return dict(sorted(known, key=lambda membership: membership[1].rank))

    def matches(self, known: Principal) -> bool:
        """Return whether the token's name and e-mail, if any, equal the stored ones."""
        return self.name in (None, known.name) and self.email in (None, known.email)


def memberships_of(claim: object) -> tuple[tuple[str, str], ...]:
    """Read `{"aurora": "OPERATOR"}` or `["aurora:OPERATOR"]`; ignore anything else."""
    if isinstance(claim, str):
        # Some identity providers write a list with one entry this way.
        claim = [claim]
    if isinstance(claim, list):
        texts = [entry for entry in claim if isinstance(entry, str)]
        return tuple((slug, role) for slug, _, role in (text.partition(":") for text in texts))
    if isinstance(claim, dict):
        return tuple((str(slug), str(role)) for slug, role in claim.items())
    return ()
