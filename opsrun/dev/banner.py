"""What `opsrun dev` prints when everything runs: where it is, and who can sign in."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from opsrun.dev import demo
from opsrun.dev.demo_sign_in import is_local_url
from opsrun.dev.hub import DevHub
from opsrun.settings import PREFIX, Settings

_MOST_NAMED = 10


def banner(
    settings: Settings,
    base: str,
    code: str,
    logs: Path,
    hub: DevHub,
    own_scopes: Sequence[str] = (),
) -> str:
    """Return the text for a product at the address `base`, whose demo signs in with `code`."""
    signs_in = is_local_url(base)
    fragment = f"#demo={code}" if signs_in else ""
    lines = [""]
    if hub.folder is not None:
        lines.append(f"  Hub       {base}/{fragment}")
        if hub.is_being_built:
            lines.append("            (being built: the page shows it as soon as it is there)")
    lines += [
        f"  GraphiQL  {base}/graphiql/{fragment}",
        f"  GraphQL   {base}/graphql",
        f"  Logs      {logs}",
        "",
    ]
    tenants = demo.TENANTS if not own_scopes else (*demo.TENANTS, demo.OWN)
    for tenant in tenants:
        roles = ", ".join(f"{subject} {role}" for subject, role in tenant.roles.items())
        lines.append(f"  {tenant.name:<17} {roles}")
    if own_scopes:
        lines += ["", f"  Scopes of {demo.OWN.name}: {_some(own_scopes)}"]
    lines += [
        "",
        *_sign_in(signs_in=signs_in, has_hub=hub.folder is not None),
        f"    {token_command(settings)}",
        "",
        "  Runs show up below; Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _sign_in(*, signs_in: bool, has_hub: bool) -> Sequence[str]:
    if not signs_in:
        return ["  Sign in, in a browser or any client, with the token that this prints:"]
    clients = "Other clients send `Authorization: Bearer …` with what this prints:"
    if not has_hub:
        return ["  GraphiQL's address signs in Olivia.", f"  {clients}"]
    return [
        "  The hub's address signs in all of them, GraphiQL's signs in Olivia.",
        f"  {clients}",
    ]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def token_command(settings: Settings, subject: str = "oscar") -> str:
    """Return the command, to be run in this folder, that prints a token of a demo user."""
    program = Path(sys.executable).with_name("opsrun")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    words = [shlex.quote(str(program)), "token", subject]
    if "data_folder" in settings.model_fields_set and settings.local_key is None:
        words.insert(0, f"{PREFIX}DATA_FOLDER={shlex.quote(str(settings.data_folder))}")
    if settings.memberships == "claim":
        words += [f"--membership {membership}" for membership in demo.memberships(subject)]
    return " ".join(words)
