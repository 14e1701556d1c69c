"""The members of the demo's tenants who act in a round, and what they must never receive."""

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

# Each is a member of only this tenant, with a role that may start every run.
_USERS = {"aurora": "manu", "borealis": "bo"}
_TOKEN_LIFETIME = timedelta(hours=12)
_OPAQUE = re.compile(r'"(?:id|cursor)":"([A-Za-z0-9_-]+)"')


@dataclass(frozen=True, slots=True)
class Member:
    """A user of one tenant. `others` are the other tenants' ids by slug."""

    slug: str
    access: TenantAccess
    token: str
    others: Mapping[str, UUID]

    @property
    def tenant_id(self) -> UUID:
        return self.access.tenant_id

    @property
    def global_id(self) -> str:
        return GlobalId("Tenant", self.tenant_id).encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that authenticate the user."""
        return {"Authorization": f"Bearer {self.token}"}

    def inspect(self, frame: str, witness: Witness) -> None:
        """Search a frame that the member received for other tenants' data and for canaries."""
        witness.counts["frames"] += 1
        opaque = " ".join(map(_decoded, _OPAQUE.findall(frame)))
        for slug, tenant_id in self.others.items():
            for text in (slug, str(tenant_id), tenant_id.hex):
                if text in frame or text in opaque:
                    witness.violation(Promise.TENANCY, f"{self.slug} received {frame}")
        if CANARY in frame:
            witness.violation(Promise.CANARIES, f"{self.slug} received {frame}")


def _decoded(opaque: str) -> str:
    try:
        padded = opaque + "=" * (-len(opaque) % 4)
        return base64.urlsafe_b64decode(padded).decode(errors="replace")
    except binascii.Error:
        return ""


async def sign_in_members(resources: Resources) -> list[Member]:
    """Return a member of each of the demo's tenants, with a token."""
    tokens = LocalTokens(LOCAL_KEY)
    accesses: dict[str, TenantAccess] = {}
    for tenant in TENANTS:
        user = USERS[_USERS[tenant.slug]]
        principal = await Tenancy(resources.transactions).principal(
            user_id(LOCAL_ISSUER, user.subject)
        )
        assert principal is not None
        (accesses[tenant.slug],) = principal.accesses.values()
    return [
        Member(
            slug,
            access,
            tokens.mint(_USERS[slug], name=access.user_name, lifetime=_TOKEN_LIFETIME),
            {other: accesses[other].tenant_id for other in accesses if other != slug},
        )
        for slug, access in accesses.items()
    ]
