"""The demo's tenants as the clients of a round: who they are, and what they must never see."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from crash.producer import CANARY
from crash.witness import Promise, Witness
from domain.tenancy.models import TenantAccess, user_id
from domain.tenancy.service import Tenancy
from gql.ids import GlobalId
from opsrun.auth.tokens import LOCAL_ISSUER, LocalTokens
from opsrun.dev.demo import TENANTS, USERS
from opsrun.resources import Resources
from tests.world import LOCAL_KEY

# Members of one tenant alone, who may start everything.
_ACTING = {"aurora": "manu", "borealis": "bo"}
_TOKEN_LIFETIME = timedelta(hours=12)
_OPAQUE = re.compile(r'"(?:id|cursor)":"([A-Za-z0-9_-]+)"')


@dataclass(frozen=True, slots=True)
class Customer:
    """A tenant and the user who acts in it."""

    slug: str
    access: TenantAccess
    token: str
    others: Mapping[str, UUID]

    @property
    def tenant_id(self) -> UUID:
        """The tenant's id."""
        return self.access.tenant_id

    @property
    def global_id(self) -> str:
        """The tenant's id in GraphQL."""
        return GlobalId("Tenant", self.tenant_id).encode()

    @property
    def headers(self) -> dict[str, str]:
        """What signs the user in."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def foreign_texts(self) -> tuple[str, ...]:
        """What is only in rows of other tenants: their names, and their ids in both forms."""
        forms = ((slug, str(tenant_id), tenant_id.hex) for slug, tenant_id in self.others.items())
        return tuple(text for texts in forms for text in texts)

    def inspect(self, frame: str, witness: Witness) -> None:
        """Look for what must not be in anything that is sent to this customer."""
        witness.counts["frames"] += 1
        opaque = " ".join(map(_decoded, _OPAQUE.findall(frame)))
        for foreign in self.foreign_texts:
            if foreign in frame or foreign in opaque:
                witness.violation(Promise.TENANCY, f"{self.slug} was sent {frame}")
        if CANARY in frame:
            witness.violation(Promise.CANARIES, f"{self.slug} was sent {frame}")


def _decoded(opaque: str) -> str:
    try:
        padded = opaque + "=" * (-len(opaque) % 4)
        return base64.urlsafe_b64decode(padded).decode(errors="replace")
    except binascii.Error:
        return ""


async def customers(resources: Resources) -> list[Customer]:
    """Let every tenant's acting user in."""
    tokens = LocalTokens(LOCAL_KEY)
    accesses: dict[str, TenantAccess] = {}
    for demo_tenant in TENANTS:
        user = USERS[_ACTING[demo_tenant.slug]]
        principal = await Tenancy(resources.transactions).principal(
            user_id(LOCAL_ISSUER, user.subject)
        )
        assert principal is not None
        (accesses[demo_tenant.slug],) = principal.accesses.values()
    return [
        Customer(
            slug,
            access,
            tokens.mint(_ACTING[slug], name=access.user_name, lifetime=_TOKEN_LIFETIME),
            {other: theirs.tenant_id for other, theirs in accesses.items() if other != slug},
        )
        for slug, access in accesses.items()
    ]
