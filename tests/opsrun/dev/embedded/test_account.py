import os
import pwd
from pathlib import Path

import pytest

from opsrun.dev.embedded import EmbeddedServerError, embedded_servers
from opsrun.dev.embedded.account import Account, can_reach, server_account
from tests.opsrun.dev.embedded.observing import Started, mode, needs_root, privileges, query


@needs_root
async def test_servers_of_root_have_no_privileges(made_folder: Path, started: Started) -> None:
    account = pwd.getpwnam("nobody")
    async with embedded_servers(made_folder, durable=False):
        servers = started()
        assert {process.uids() for process in servers} == {(account.pw_uid,) * 3}
        assert {process.gids() for process in servers} == {(account.pw_gid,) * 3}
        for process in servers:
            assert privileges(process)["Groups"] == ""
            assert int(privileges(process)["CapEff"], 16) == 0


@needs_root
async def test_closed_folders_of_root_can_be_used(tmp_path: Path) -> None:
    assert mode(tmp_path) == 0o700
    for name in ("first", "second"):
        async with embedded_servers(tmp_path / "data", durable=False) as servers:
            await query(servers.postgres_url, f"CREATE TABLE {name} ()")
            assert await query(servers.postgres_url, "SELECT to_regclass('first')") == "first"
    assert mode(tmp_path) == 0o700


def test_servers_of_a_normal_user_run_as_that_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None
    assert can_reach(None, Path("/no/matter/what"))


def test_a_system_without_the_account_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", no_such_name)
    with pytest.raises(EmbeddedServerError, match="no account `nobody`"):
        server_account()


def test_a_closed_parent_folder_blocks_access(open_folder: Path) -> None:
    stranger = Account(uid=54321, gid=54321)
    inner = open_folder / "outer" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o755)
    inner.chmod(0o711)
    assert can_reach(stranger, inner)
    inner.parent.chmod(0o700)
    assert not can_reach(stranger, inner)
    assert can_reach(Account(os.getuid(), os.getgid()), inner)
