"""The text of `opsrun dev` fits into a terminal, and its instructions work."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import cast

import pytest

from domain.tenancy.models import user_id
from opsrun.auth.tokens import LOCAL_ISSUER, local_tokens
from opsrun.dev import demo
from opsrun.dev.banner import banner, token_command
from opsrun.dev.hub import DevHub
from opsrun.settings import Settings

BASE = "http://127.0.0.1:8000"
CODE = "gmkvjjf7ldag2yrt"


class Hub:
    """A hub in one of its states."""

    def __init__(self, *, is_there: bool = True, is_being_built: bool = False) -> None:
        self.folder = Path("hub") if is_there else None
        self.is_being_built = is_being_built


def settings(**values: object) -> Settings:
    return Settings.model_validate({"port": None, "public_url": None, **values})


def text(hub: Hub | None = None, *, base: str = BASE, scopes: tuple[str, ...] = ()) -> str:
    logs = Path("/home/ada/opsrun/.opsrun/logs")
    return banner(settings(), base, CODE, logs, cast(DevHub, hub or Hub()), scopes)


def test_the_hub_link_comes_first_and_signs_in() -> None:
    first, second = [line for line in text().splitlines() if line][:2]
    assert first == f"  Hub       {BASE}/#demo={CODE}"
    assert second == f"  GraphiQL  {BASE}/graphiql/#demo={CODE}"


def test_the_text_mentions_a_running_build() -> None:
    assert "(building:" not in text()
    assert "(building:" in text(Hub(is_being_built=True))


def test_every_member_of_every_tenant_is_listed() -> None:
    for tenant in demo.TENANTS:
        (line,) = [line for line in text().splitlines() if tenant.name in line]
        for subject, role in tenant.roles.items():
            assert f"{subject} {role}" in line
    assert demo.OWN.name not in text()


def test_the_users_exports_are_listed_with_their_scopes() -> None:
    output = text(scopes=("lab", "production"))
    assert f"  Scopes of {demo.OWN.name}: lab, production" in output.splitlines()
    many = text(scopes=tuple(f"scope-{number}" for number in range(12)))
    assert "scope-9 and 2 more" in many


def test_without_the_hub_graphiql_comes_first_and_the_hub_is_not_mentioned() -> None:
    output = text(Hub(is_there=False))
    assert output.splitlines()[1].startswith("  GraphiQL  ")
    assert "hub" not in output.lower()


@pytest.mark.parametrize("base", ["https://ops.example", "http://192.0.2.7:8000"])
def test_an_address_of_another_machine_does_not_sign_in(base: str) -> None:
    assert "#demo" not in text(base=base)
    assert "Sign in, in a browser or any client, with the token" in text(base=base)


def test_lines_fit_into_a_terminal() -> None:
    output = text(Hub(is_being_built=True), scopes=("production",))
    assert [line for line in output.splitlines() if len(line) > 80] == []


async def test_the_printed_command_prints_a_token_of_this_installation(tmp_path: Path) -> None:
    here = settings(data_folder=tmp_path / "a folder", memberships="claim")
    command = token_command(here)
    assert len(shlex.split(command)) > 3
    shell = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, env={"OPSRUN_MEMBERSHIPS": "claim"}
    )
    printed, _ = await shell.communicate()
    identity = await local_tokens(here).verify(printed.decode().strip())
    assert identity.user_id == user_id(LOCAL_ISSUER, "oscar")
    assert identity.claimed is not None
    assert identity.claimed.roles["aurora"] == "OPERATOR"


def test_the_printed_command_is_short_in_the_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", str(Path.cwd() / ".venv" / "bin" / "python"))
    assert token_command(settings()) == ".venv/bin/opsrun token oscar"
    assert re.fullmatch(r"\S+ token olivia", token_command(settings(), "olivia"))
