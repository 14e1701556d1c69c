"""What `opsrun dev` prints when everything runs: where it is, and tokens of the demo's users."""

from datetime import timedelta
from pathlib import Path

from opsrun import demo
from opsrun.auth import LocalTokens

_TOKEN_LIFETIME = timedelta(days=7)


def welcome(tokens: LocalTokens, base: str, logs: Path, *, hub: bool) -> str:
    """Return the text for a product at the address `base`, with the hub or without."""
    minted = {
        subject: tokens.mint(
            subject, name=user.name, lifetime=_TOKEN_LIFETIME, memberships=_memberships(subject)
        )
        for subject, user in demo.USERS.items()
    }
    lines = [""]
    if hub:
        everybody = "&".join(f"token={token}" for token in minted.values())
        lines += [f"  Hub       {base}/#{everybody}", ""]
    lines += [
        f"  GraphQL   {base}/graphql",
        f"  GraphiQL  {base}/graphiql/",
        f"  Logs      {logs}",
        "",
    ]
    for tenant in demo.TENANTS:
        lines.append(f"  {tenant.name}")
        for subject, role in tenant.roles.items():
            lines.append(f"    {role:<9} {demo.USERS[subject].name}")
            lines.append(f"      {base}/graphiql/#token={minted[subject]}")
    lines.append("")
    if hub:
        lines.append("  The hub's address, at the top, signs in all of them and lets you switch.")
    lines += [
        "  A user's address opens GraphiQL; what follows its `#token=` can be sent as",
        "  `Authorization: Bearer …`. Runs show up below; Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _memberships(subject: str) -> list[str]:
    roles = ((tenant.slug, tenant.roles.get(subject)) for tenant in demo.TENANTS)
    return [f"{slug}:{role}" for slug, role in roles if role is not None]
