"""The text that `opsrun dev` prints when everything runs: the addresses and the users."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from opsrun.dev import demo, graph_demo
from opsrun.dev.demo_sign_in import is_local_url
from opsrun.dev.hub import DevHub
from opsrun.settings import PREFIX, Settings

_MAX_SCOPES = 10


def banner(
    settings: Settings,
    base: str,
    code: str,
    logs: Path,
    hub: DevHub,
    own_scopes: Sequence[str] = (),
    *,
    with_graph: bool = False,
) -> str:
    """Return the text for an API at the URL `base`, whose demo users sign in with `code`."""
    signs_in = is_local_url(base)
    fragment = f"#demo={code}" if signs_in else ""
    lines = [""]
    if hub.folder is not None:
        lines.append(f"  Hub       {base}/{fragment}")
        if hub.is_being_built:
            lines.append("            (building: the page shows the hub once it is built)")
    lines += [
        f"  GraphiQL  {base}/graphiql/{fragment}",
        f"  GraphQL   {base}/graphql",
        f"  Logs      {logs}",
        "",
    ]
    tenants = [*demo.TENANTS]
    tenants += [demo.OWN] if own_scopes else []
    tenants += [graph_demo.TENANT] if with_graph else []
    for tenant in tenants:
        roles = ", ".join(f"{subject} {role}" for subject, role in tenant.roles.items())
        lines.append(f"  {tenant.name:<17} {roles}")
    if own_scopes:
        lines += ["", f"  Scopes of {demo.OWN.name}: {_some(own_scopes)}"]
    if with_graph:
        lines += ["", f"  {graph_demo.TENANT.name} is read from a double of Microsoft Graph."]
    lines.append("")
    if not signs_in:
        lines.append("  Sign in, in a browser or any client, with the token that this prints:")
    elif hub.folder is None:
        lines.append("  The GraphiQL link signs in as Olivia.")
    else:
        lines.append("  The hub link offers all of them; the GraphiQL link signs in as Olivia.")
    if signs_in:
        lines.append(
            "  Other clients send `Authorization: Bearer …` with the token that this prints:"
        )
    lines += [
        f"    {token_command(settings)}",
        "",
        "  Runs appear below; Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_SCOPES
    return ", ".join(names[:_MAX_SCOPES]) + (f" and {more} more" if more > 0 else "")


def token_command(settings: Settings, subject: str = "oscar") -> str:
    """Return the command that prints a demo user's token when it runs in this folder."""
    program = Path(sys.executable).with_name("opsrun")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    words = [shlex.quote(str(program)), "token", subject]
    if "data_folder" in settings.model_fields_set and settings.local_key is None:
        words.insert(0, f"{PREFIX}DATA_FOLDER={shlex.quote(str(settings.data_folder))}")
    if settings.memberships == "claim":
        words += [f"--membership {membership}" for membership in demo.memberships(subject)]
    return " ".join(words)
