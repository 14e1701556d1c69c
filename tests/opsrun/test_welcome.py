"""What `opsrun dev` prints fits a terminal and lets everybody in."""

import re
from pathlib import Path

import pytest

from domain.tenancy.models import user_id
from opsrun import demo
from opsrun.auth import LOCAL_ISSUER, LocalTokens
from opsrun.welcome import welcome

BASE = "http://127.0.0.1:8000"
TOKENS = LocalTokens("k" * 32)


def text(*, hub: bool) -> str:
    return welcome(TOKENS, BASE, Path("/home/ada/opsrun/.opsrun/logs"), hub=hub)


async def test_the_hub_comes_first_with_a_token_of_every_user_and_olivias_first() -> None:
    first = next(line for line in text(hub=True).splitlines() if line)
    found = re.fullmatch(rf"  Hub       {BASE}/#(token=[\w.-]+(?:&token=[\w.-]+)*)", first)
    assert found is not None
    tokens = [part.removeprefix("token=") for part in found[1].split("&")]
    users = [(await TOKENS.verify(token)).user_id for token in tokens]
    assert users == [user_id(LOCAL_ISSUER, subject) for subject in demo.USERS]
    assert users[0] == user_id(LOCAL_ISSUER, "olivia")


async def test_the_tokens_claim_the_demos_roles_where_claims_count() -> None:
    claiming = LocalTokens("k" * 32, memberships_claim="roles")
    told = welcome(claiming, BASE, Path("logs"), hub=True)
    (everybody,) = re.findall(r"Hub       \S+/#(\S+)", told)
    identities = [await claiming.verify(part[len("token=") :]) for part in everybody.split("&")]
    for subject, identity in zip(demo.USERS, identities, strict=True):
        assert identity.claimed is not None
        assert identity.claimed.roles == {
            tenant.slug: tenant.roles[subject] for tenant in demo.TENANTS if subject in tenant.roles
        }


async def test_without_the_hub_nothing_is_said_of_it() -> None:
    assert "hub" not in text(hub=False).lower()
    assert text(hub=False).splitlines()[1] == f"  GraphQL   {BASE}/graphql"


@pytest.mark.parametrize("hub", [True, False])
def test_only_addresses_with_tokens_are_longer_than_a_terminals_line(hub: bool) -> None:
    long = [line for line in text(hub=hub).splitlines() if len(line) > 80]
    assert all("#token=" in line for line in long)
    assert len(long) == hub + sum(len(tenant.roles) for tenant in demo.TENANTS)
